import * as z from 'zod';
import { formatDuration, formatSize } from '../../config/units.ts';
import { type GpuHolderView, type GpuView, GpusAnswer } from '../../lab/gpu/gpu-view.ts';
import { askAgent } from '../agent-client.ts';
import { agentSocket } from '../agent-socket.ts';
import type { Command } from '../command.ts';
import { formatTable, printable } from '../table.ts';

interface Options {
  readonly json?: true;
  readonly release?: true;
  readonly resume?: true;
  readonly for?: string;
}

const ReleaseAnswer = z.object({ released_until: z.string().nullable(), problem: z.string().nullable() });

/** `gpuwarden gpus`: what every GPU does and for whom; with `--release` the agent lets go of the driver. */
export const gpus: Command = {
  register(program, context, setExitCode) {
    program
      .command('gpus')
      .description('list the GPUs with who holds them, who runs on them, and since when they are idle')
      .option('--json', 'print one JSON document')
      .option('--release', 'ask the agent to let go of the driver, so that a GPU can be reset')
      .option('--for <duration>', 'with --release: for how long at most (default 30m, at most 24h)')
      .option('--resume', 'ask the agent to read the GPUs again')
      .action(async (options: Options) => {
        const { stdout } = context();
        const socket = agentSocket(context());
        if (options.release || options.resume) {
          const body = options.release && options.for !== undefined ? { for: options.for } : {};
          const path = `/api/v1/gpus/${options.release ? 'release' : 'resume'}`;
          const answer = ReleaseAnswer.parse(await askAgent(socket, path, { method: 'POST', body }));
          if (options.json) stdout(`${JSON.stringify(answer, null, 2)}\n`);
          else stdout(describeRelease(answer));
          if (answer.problem !== null) setExitCode(1);
          return;
        }
        const answer = GpusAnswer.parse(await askAgent(socket, '/api/v1/gpus'));
        stdout(options.json ? `${JSON.stringify(answer, null, 2)}\n` : describe(answer));
      });
  },
};

function describeRelease({ released_until: until, problem }: z.infer<typeof ReleaseAnswer>): string {
  if (problem !== null) return `the driver is still held: ${printable(problem)}\n`;
  return until === null
    ? 'the agent reads the GPUs again\n'
    : `the agent has let go of the driver until ${until}; end it sooner with: gpuwarden gpus --resume\n`;
}

function describe({ gpus: devices, problem, released_until: until }: GpusAnswer): string {
  const notes = [
    ...(until === null ? [] : [`released until ${until}: nothing is read of the GPUs until then\n`]),
    ...(problem === null ? [] : [`${printable(problem)}\n`]),
  ].join('');
  if (devices.length === 0) return notes === '' ? 'no GPUs\n' : notes;
  return notes + formatTable(header, devices.flatMap(rowsOf));
}

const header = [
  'GPU',
  'NAME',
  'UTIL',
  'MEMORY',
  'TEMP',
  'IDLE FOR',
  'USER',
  'HOLDER',
  'GIVEN',
  'USES',
  'OF MEMORY',
];

/** One row a holder; the device itself stands in the first. */
function rowsOf(device: GpuView): readonly (readonly string[])[] {
  const own = [
    device.mig_profile === null ? String(device.gpu) : `${device.gpu} MIG`,
    device.mig_profile ?? device.name,
    device.unavailable ?? percent(device.utilization_ratio),
    memory(device),
    device.temperature_celsius === null ? '?' : `${device.temperature_celsius} C`,
    device.idle_seconds === null ? '?' : idle(device.idle_seconds),
  ];
  const held = [...device.holders.map(holder), ...unattributed(device)];
  const [first, ...others] = held.length === 0 ? [nobody(device)] : held;
  return [[...own, ...(first ?? [])], ...others.map((row) => [...own.map(() => ''), ...row])];
}

/** Nobody holds it, or nobody knows. A partitioned card is held by its instances' holders. */
function nobody({ unavailable, mig_enabled }: GpuView): readonly string[] {
  return [unavailable === null ? (mig_enabled ? '(partitioned)' : '-') : '?', '', '', '', ''];
}

/** Memory of processes that belong to nobody who is known; the little that every driver has besides is left out. */
function unattributed({ memory_unattributed_bytes: bytes }: GpuView): readonly (readonly string[])[] {
  const worthSaying = bytes !== null && bytes >= 64 * 1024 ** 2;
  return worthSaying ? [['?', '(unattributed)', '', '', formatSize(bytes)]] : [];
}

function holder(one: GpuHolderView): readonly string[] {
  return [
    one.user,
    one.container ?? (one.kind === 'slurm' ? '(Slurm job)' : '(on the host)'),
    one.allocated === null ? '' : one.allocated ? 'yes' : 'no',
    one.processes === 0 ? 'no process' : percent(one.utilization_ratio),
    one.memory_used_bytes === null ? '?' : formatSize(one.memory_used_bytes),
  ];
}

function percent(ratio: number | null): string {
  return ratio === null ? '?' : `${Math.round(ratio * 100)} %`;
}

function memory({ memory_used_bytes: used, memory_total_bytes: total }: GpuView): string {
  return `${used === null ? '?' : formatSize(used)} / ${total === null ? '?' : formatSize(total)}`;
}

function idle(seconds: number): string {
  return seconds < 2 ? '-' : formatDuration(seconds < 3600 ? seconds : Math.floor(seconds / 60) * 60);
}
