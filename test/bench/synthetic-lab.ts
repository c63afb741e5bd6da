import { setTimeout as sleep } from 'node:timers/promises';
import { startFakeEngine } from '../sources/docker/fake-engine.ts';
import { createStubCommand } from '../sources/stub-command.ts';
import { type ProbedAgent, startProbedAgent } from './probed-agent.ts';
import { buildSyntheticTree } from './synthetic-tree.ts';

const students = 100;
const pageLimitMs = 60_000;
const limitsFile = `
defaults: {idle_timeout: 48h, max_cpus: 8, memory: 32g}
groups:
  students: {members: [${Array.from({ length: students }, (_, index) => `student${index}`).join(', ')}]}
`;
/** The lab's user directory: it knows every student. */
const getent = `
case "$*" in
  'passwd student'*) n="\${2#student}"; echo "$2:x:$((2000 + n)):100::/home/$2:/bin/sh" ;;
  *) exit 2 ;;
esac`;

/** A real agent, on a machine and an Engine that are made up. */
export interface SyntheticLab extends ProbedAgent {
  /** The page of metrics, once every container is on it with its CPU time. */
  completePage(): Promise<string>;
}

/** @param intervals the agent's own where left out */
export async function startSyntheticLab(containers: number, intervals = '{}'): Promise<SyntheticLab> {
  const things = new AsyncDisposableStack();
  try {
    const { machine, targets } = buildSyntheticTree('v2', containers);
    things.defer(() => machine.dispose());
    const directory = createStubCommand('getent', getent);
    things.defer(() => directory.dispose());
    const engine = await startFakeEngine();
    things.defer(() => engine.dispose());
    for (const [index, { id, pid }] of targets.entries()) {
      const labels = { 'ds01.user': `student${index % students}` };
      engine.put(id, null, { name: `training-${index}`, pid, labels });
    }
    const { proc, cgroup } = machine.paths;
    const probed = await startProbedAgent({
      dockerHost: `unix://${engine.socketPath}`,
      env: directory.env,
      configFiles: {
        'agent.yaml': `intervals: ${intervals}\npaths: {proc: ${proc}, cgroup: ${cgroup}}\n`,
        'resource-limits.yaml': limitsFile,
      },
    });
    things.defer(() => probed.stop());
    return {
      ...probed,
      completePage: () => completePage(probed, containers),
      stop: () => things.disposeAsync(),
    };
  } catch (error) {
    await things.disposeAsync();
    throw error;
  }
}

async function completePage({ agent: running }: ProbedAgent, containers: number): Promise<string> {
  const endMs = performance.now() + pageLimitMs;
  for (;;) {
    const page = await running.scrape();
    const sampled = page.match(/^gpuwarden_container_cpu_seconds_total\{/gm)?.length ?? 0;
    if (sampled === containers) return page;
    if (performance.now() > endMs)
      throw new Error(`only ${sampled} containers were sampled; the agent said:\n${running.output()}`);
    await sleep(500);
  }
}
