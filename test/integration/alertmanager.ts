import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { dump, load } from 'js-yaml';
import * as z from 'zod';
import { type ServerProcess, startServerProcess } from './server-process.ts';

/** An Alertmanager of a test's own, which knows of no other. */
export type Alertmanager = ServerProcess;

/** Starts an Alertmanager with a configuration and waits until it is ready. */
export async function startAlertmanager(config: string): Promise<Alertmanager> {
  return await startServerProcess({
    part: 'alertmanager',
    readyPath: '/-/ready',
    prepare(folder, address) {
      const file = path.join(folder, 'alertmanager.yml');
      writeFileSync(file, config);
      return [
        `--config.file=${file}`,
        `--storage.path=${path.join(folder, 'data')}`,
        `--web.listen-address=${address}`,
        // No cluster, and no port for it.
        '--cluster.listen-address=',
      ];
    },
  });
}

/** Sends alerts to an Alertmanager as anybody could who reaches it. */
export async function sendAlerts(
  { url }: Pick<Alertmanager, 'url'>,
  alerts: readonly { readonly labels: Readonly<Record<string, string>> }[],
): Promise<void> {
  const answer = await fetch(`${url}/api/v2/alerts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(alerts),
  });
  if (!answer.ok) throw new Error(`Alertmanager refused the alerts: ${await answer.text()}`);
}

export interface ShippedConfigOptions {
  /** Where the agent takes deliveries in. */
  readonly agentUrl: string;
  readonly credentialsFile: string;
  /** Takes the place of the receiver's name, so that two Alertmanagers can be told apart. */
  readonly receiver: string;
}

const Route = z.looseObject({
  receiver: z.string(),
  matchers: z.array(z.string()).optional(),
});
const ConfigFile = z.looseObject({
  route: Route.extend({ routes: z.array(Route) }),
  receivers: z.array(
    z.looseObject({
      name: z.string(),
      webhook_configs: z.array(z.looseObject({ url: z.string() })).optional(),
    }),
  ),
});

/** The configuration that is shipped, with its address, its path and its times replaced. */
export function shippedConfig({ agentUrl, credentialsFile, receiver }: ShippedConfigOptions): string {
  const file = fileURLToPath(new URL('../../alerts/alertmanager.yml', import.meta.url));
  const { route, receivers } = ConfigFile.parse(load(readFileSync(file, 'utf8')));
  const renamed = (name: string) => (name === 'gpuwarden' ? receiver : name);
  const shortened = ({ receiver: name, ...rest }: z.output<typeof Route>) => ({
    ...rest,
    receiver: renamed(name),
    group_wait: '100ms',
    group_interval: '1s',
    // The Watchdog comes every time; the rest never again, so that what comes is news.
    repeat_interval: rest.matchers?.some((one) => one.includes('watchdog')) === true ? '900ms' : '1h',
  });
  return dump({
    route: { ...shortened(route), routes: route.routes.map(shortened) },
    receivers: receivers.map(({ name, webhook_configs: webhooks, ...rest }) => ({
      ...rest,
      name: renamed(name),
      ...(webhooks === undefined ? {} : { webhook_configs: webhooks.map((one) => withAgent(one)) }),
    })),
  });

  function withAgent({ http_config: http, ...rest }: Record<string, unknown>): object {
    const { authorization, ...others } = z.looseObject({ authorization: z.looseObject({}) }).parse(http);
    return {
      ...rest,
      url: agentUrl,
      http_config: { ...others, authorization: { ...authorization, credentials_file: credentialsFile } },
    };
  }
}
