import type { ChildOutcome } from '../../child.ts';
import type { DeviceUuid, Unavailability } from '../reading.ts';
import { type ListedProcesses, computeAppsQuery, parseComputeApps } from './compute-apps.ts';
import { type SmiDetails, parseDetails } from './details.ts';
import { type SmiDevices, parseDevices } from './devices.ts';
import { type SmiFailure, explainFailure } from './failure.ts';
import { chooseFields, parseHelp } from './fields.ts';
import { type ListedInstance, parseList } from './list.ts';
import { type MonitoredProcesses, mostMonitoredDevices, parsePmon, pmonArguments } from './pmon.ts';
import type { SmiQuestion, SmiRunner } from './runner.ts';

/** Says that a question failed in a way that makes the whole round useless. */
export class SmiError extends Error {
  override name = 'SmiError';
  readonly code = 'GPUWARDEN_NVIDIA_SMI';
  readonly failure: SmiFailure;
  constructor(failure: SmiFailure) {
    super(failure.reason);
    this.failure = failure;
  }
}

/** The questions that nvidia-smi is asked, each with its answer read. They reject with an SmiError. */
export interface SmiQuestions {
  /** What this driver can be asked of a GPU. */
  fields(): Promise<readonly string[]>;
  devices(fields: readonly string[]): Promise<SmiDevices>;
  /** Where only this is not to be had, the reason is the answer; so for `processes`. */
  computeApps(): Promise<ListedProcesses | Unavailability>;
  /** @param whole the indices of the GPUs in question; @param all whether these are all that there are */
  processes(
    whole: readonly number[],
    all: boolean,
    signal: AbortSignal,
  ): Promise<MonitoredProcesses | Unavailability>;
  instances(): Promise<ReadonlyMap<DeviceUuid, readonly ListedInstance[]>>;
  details(): Promise<ReadonlyMap<string, SmiDetails>>;
}

export function createSmiQuestions(runner: SmiRunner): SmiQuestions {
  const { program } = runner;
  const csv = '--format=csv,nounits';

  /** The text of an answer that is complete: what a program wrote before it failed is not. */
  async function answerTo(question: SmiQuestion, args: readonly string[]): Promise<string> {
    const outcome = await runner.run(question, args);
    if (outcome.kind === 'exited' && outcome.code === 0) return outcome.stdout;
    throw new SmiError(explainFailure(program, outcome));
  }

  /** A run that hangs, or a program that is gone, is no matter of one question. */
  function unavailable(outcome: ChildOutcome): Unavailability {
    if (outcome.kind !== 'exited') throw new SmiError(explainFailure(program, outcome));
    const said = outcome.stdout + outcome.stderr;
    if (said.includes('Insufficient Permissions')) return 'permission';
    return /Not supported on the device|Not Supported/.test(said) ? 'unsupported' : 'error';
  }

  async function monitor(indices: readonly number[] | null): Promise<MonitoredProcesses | Unavailability> {
    const outcome = await runner.run('processes', pmonArguments(indices));
    return outcome.kind === 'exited' && outcome.code === 0 ? parsePmon(outcome.stdout) : unavailable(outcome);
  }

  return {
    async fields() {
      const chosen = chooseFields(parseHelp(await answerTo('help', ['--help-query-gpu'])));
      if (chosen !== null) return chosen;
      throw new SmiError({
        kind: 'down',
        reason: `${program} does not list the index and the UUID of a GPU among what it can be asked`,
        advice: 'see whether it is the nvidia-smi of an NVIDIA driver: nvidia-smi --help-query-gpu',
      });
    },
    async devices(fields) {
      const stdout = await answerTo('gpus', [`--query-gpu=${fields.join(',')}`, csv]);
      const parsed = parseDevices(stdout);
      if (parsed !== null && parsed.devices.length > 0) return parsed;
      // None at all is a failed collection, not an idle lab.
      throw new SmiError(explainFailure(program, { kind: 'exited', code: 0, stdout, stderr: '' }));
    },
    async computeApps() {
      const outcome = await runner.run('compute-apps', [computeAppsQuery, csv]);
      return outcome.kind === 'exited' && outcome.code === 0
        ? parseComputeApps(outcome.stdout)
        : unavailable(outcome);
    },
    async processes(whole, all, signal) {
      // Without a list pmon leaves out GPUs that it does not support; with one it may refuse them all.
      if (all && whole.length <= mostMonitoredDevices) return await monitor(null);
      const lists = new Map<
        number,
        MonitoredProcesses extends ReadonlyMap<number, infer List> ? List : never
      >();
      for (const group of groupsOf(whole)) {
        if (signal.aborted) break;
        // One after the other: runs of one kind do not overlap.
        const answer = await monitor(group);
        for (const index of group) {
          const list = typeof answer === 'string' ? answer : answer.get(index);
          if (list !== undefined) lists.set(index, list);
        }
      }
      return lists;
    },
    instances: async () => parseList(await answerTo('list', ['-L'])),
    details: async () => parseDetails(await answerTo('details', ['-q'])),
  };
}

function groupsOf(indices: readonly number[]): readonly (readonly number[])[] {
  const groups: number[][] = [];
  for (let start = 0; start < indices.length; start += mostMonitoredDevices)
    groups.push(indices.slice(start, start + mostMonitoredDevices));
  return groups;
}
