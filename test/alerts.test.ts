import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { load } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { catalogue } from '../agent/metrics/catalogue.ts';
import { policyNames } from '../agent/policy/verdict.ts';
import { describeWithParts } from './integration/engine.ts';
import { type PartName, findPart } from './parts/parts.ts';

const folder = fileURLToPath(new URL('../alerts', import.meta.url));
const rulesFile = `${folder}/enforcement.yml`;
const alertmanagerFile = `${folder}/alertmanager.yml`;
const testFiles = readdirSync(`${folder}/tests`).map((name) => `${folder}/tests/${name}`);

const Rules = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          for: z.string().optional(),
          keep_firing_for: z.string().optional(),
          labels: z.record(z.string(), z.string()),
          annotations: z.object({ summary: z.string(), description: z.string() }),
        }),
      ),
    }),
  ),
});
const RuleTests = z.object({
  tests: z.array(
    z.object({
      alert_rule_test: z.array(z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()) })),
    }),
  ),
});

const rules = Rules.parse(load(readFileSync(rulesFile, 'utf8'))).groups.flatMap((group) => group.rules);
const watchdog = 'Watchdog';
const acting = rules.filter(({ alert }) => alert !== watchdog);

async function run(part: PartName, ...args: readonly string[]): Promise<string> {
  const program = findPart(part);
  if (program === undefined) throw new Error(`there is no ${part} on this machine`);
  const { stdout } = await promisify(execFile)(program, [...args], { timeout: 30_000 });
  return stdout.trim();
}

describe('the rules', () => {
  it('are one for each policy, by the name that the agent knows it by', () => {
    const policies = acting.map(({ labels }) => labels['gpuwarden_policy'] ?? '');
    expect(policies.toSorted()).toEqual([...policyNames].toSorted());
    expect(rules.filter(({ alert }) => alert === watchdog)).toHaveLength(1);
  });

  it.each(acting)('ask the agent when a rung of its own policy is due: $alert', ({ expr, labels }) => {
    expect(expr).toContain(
      `gpuwarden_container_next_rung_timestamp_seconds{policy="${labels['gpuwarden_policy']}"} <= time()`,
    );
    // The rung is another label, so that a new one is a new alert.
    expect(labels).toMatchObject({ gpuwarden_action: '{{ $labels.action }}', action: '' });
    // And something must still hold, whatever the agent thought when it was last scraped.
    expect(expr).toMatch(/\band on \(host, (?:container_id|user)\)/);
  });

  it('go by metrics that there are', () => {
    const names: ReadonlySet<string> = new Set(catalogue.map(({ name }) => name));
    const used = [...readFileSync(rulesFile, 'utf8').matchAll(/\bgpuwarden_\w+(?=[{)])/g)].map(
      ([name]) => name,
    );
    expect(used.length).toBeGreaterThan(20);
    expect(used.filter((name) => !names.has(name))).toEqual([]);
  });

  it.each(acting)('neither jump at one evaluation nor end at one: $alert', (rule) => {
    expect(rule).toMatchObject({ for: expect.any(String), keep_firing_for: expect.any(String) });
  });

  it('have all a case in which they fire and one in which they all but do', () => {
    const cases = testFiles.flatMap((file) =>
      RuleTests.parse(load(readFileSync(file, 'utf8'))).tests.flatMap((test) => test.alert_rule_test),
    );
    for (const { alert } of rules) {
      const ofIt = cases.filter(({ alertname }) => alertname === alert);
      const fires = ofIt.some(({ exp_alerts: expected }) => expected.length > 0);
      const rests = ofIt.some(({ exp_alerts: expected }) => expected.length === 0);
      expect([alert, fires, rests]).toEqual([alert, true, true]);
    }
  });
});

describeWithParts(['promtool'], 'promtool', () => {
  it('finds nothing wrong with the rules', async () => {
    expect(await run('promtool', 'check', 'rules', rulesFile)).toContain(`SUCCESS: ${rules.length} rules`);
  });

  it.each(testFiles)('passes %s', async (file) => {
    expect(await run('promtool', 'test', 'rules', file)).toContain('SUCCESS');
  });
});

describeWithParts(['amtool'], 'the configuration of Alertmanager', () => {
  const receivers = async (...labels: readonly string[]) =>
    await run('amtool', 'config', 'routes', 'test', `--config.file=${alertmanagerFile}`, ...labels);

  it('is one to amtool', async () => {
    expect(await run('amtool', 'check-config', alertmanagerFile)).toContain('SUCCESS');
  });

  it('sends the Watchdog to the agent, and bothers nobody else with it', async () => {
    const { labels } = rules.find(({ alert }) => alert === watchdog) ?? { labels: {} };
    const all = Object.entries({ alertname: watchdog, host: 'gpu1', ...labels });
    expect(await receivers(...all.map(([name, value]) => `${name}=${value}`))).toBe('gpuwarden');
  });

  it.each(policyNames)('sends what is done under %s to the agent, and to admins as well', async (policy) => {
    for (const action of ['stop', 'remove', 'flag'])
      expect(await receivers(`gpuwarden_policy=${policy}`, `gpuwarden_action=${action}`)).toBe(
        'gpuwarden,admins',
      );
  });

  it('sends notices to the agent, who tells the owner', async () => {
    for (const action of ['notice-1', 'notice-2', 'final-notice'])
      expect(await receivers('gpuwarden_policy=idle', `gpuwarden_action=${action}`)).toBe('gpuwarden');
  });

  it('sends nothing else to the agent', async () => {
    expect(await receivers('alertname=DiskFull', 'severity=critical')).toBe('admins');
    expect(await receivers('alertname=Watchdog', 'severity=none')).toBe('admins');
  });
});
