import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { dump, load } from 'js-yaml';
import * as z from 'zod';
import { type ServerProcess, startServerProcess } from './server-process.ts';

export interface PrometheusOptions {
  /** Host and port of what is scraped. */
  readonly targets: readonly string[];
  /** Host and port of the Alertmanagers that alerts are sent to, each of them. */
  readonly alertmanagers: readonly string[];
  /** The content of a file of rules. */
  readonly rules: string;
  /** How often it scrapes and evaluates, as Prometheus writes durations. */
  readonly interval: string;
}

/** A Prometheus of a test's own. */
export interface Prometheus extends ServerProcess {
  /** The names of the alerts that fire, with their labels. */
  firing(): Promise<readonly Readonly<Record<string, string>>[]>;
}

const Alerts = z.object({
  data: z.object({
    alerts: z.array(z.object({ state: z.string(), labels: z.record(z.string(), z.string()) })),
  }),
});

/** Starts a Prometheus and waits until it is ready. */
export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const server = await startServerProcess({
    part: 'prometheus',
    readyPath: '/-/ready',
    prepare(folder, address) {
      writeFileSync(path.join(folder, 'rules.yml'), options.rules);
      writeFileSync(path.join(folder, 'prometheus.yml'), configOf(options));
      return [
        `--config.file=${path.join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${path.join(folder, 'data')}`,
        `--web.listen-address=${address}`,
      ];
    },
  });
  return {
    ...server,
    async firing() {
      const answer = await fetch(`${server.url}/api/v1/alerts`);
      const { alerts } = Alerts.parse(await answer.json()).data;
      return alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels);
    },
  };
}

function configOf({ targets, alertmanagers, interval }: PrometheusOptions): string {
  const statically = (addresses: readonly string[]) => [{ static_configs: [{ targets: addresses }] }];
  return dump({
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: ['rules.yml'],
    alerting: { alertmanagers: statically(alertmanagers) },
    scrape_configs: statically(targets).map((one) => ({ job_name: 'gpuwarden', ...one })),
  });
}

const RuleFile = z.looseObject({
  groups: z.array(z.looseObject({ rules: z.array(z.looseObject({})) })),
});

/** The rules that are shipped, with their waiting times cut short. */
export function shippedRules(times: { readonly for: string; readonly keepFiringFor: string }): string {
  const file = fileURLToPath(new URL('../../alerts/enforcement.yml', import.meta.url));
  const { groups } = RuleFile.parse(load(readFileSync(file, 'utf8')));
  const shortened = groups.map((group) => ({
    ...group,
    rules: group.rules.map((rule) => ({
      ...rule,
      ...('for' in rule ? { for: times.for } : {}),
      ...('keep_firing_for' in rule ? { keep_firing_for: times.keepFiringFor } : {}),
    })),
  }));
  return dump({ groups: shortened });
}
