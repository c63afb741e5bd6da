import { basename } from 'node:path/posix';
import type { Thresholds } from '../config/resource-limits.ts';
import type { BareMetalUse } from '../lab/gpu/lab-gpus.ts';
import type { BareMetalProcess, UserCase, UserPolicy } from './policy.ts';
import { type Evidence, type Verdict, measured } from './verdict.ts';

const policy = 'bare-metal';
const usualGraceSeconds = 10 * 60;

/** What belongs to the driver, its monitoring or a desktop, wherever the machine is used as one. */
const usualCommands: ReadonlySet<string> = new Set([
  'nvidia-persistenced',
  'nvidia-smi',
  'nvidia-cuda-mps-control',
  'nvidia-cuda-mps-server',
  'nv-hostengine',
  'dcgm-exporter',
  'Xorg',
  'Xwayland',
  'gnome-shell',
  'kwin_wayland',
  'kwin_x11',
]);
/** Where only root installs programs; a program of that name from a home is somebody's own. */
const systemFolders = ['/usr/', '/bin/', '/sbin/'];

/** A user whose processes work on a GPU outside containers, where no limit holds. Jobs of Slurm are none of it. */
export const bareMetal: UserPolicy = {
  name: policy,
  summary: 'users whose processes use a GPU outside containers',
  judge(subject) {
    const { user, bareMetal: all, processes, thresholds } = subject;
    const uses = all.filter(({ kind }) => kind === 'host');
    const held = uses.filter(({ use }) => typeof use.processes === 'number' && use.processes > 0);
    if (held.length === 0)
      return uses.every(({ use }) => typeof use.processes === 'number')
        ? without('clear', 'they use no GPU outside containers')
        : without('unknown', 'it cannot be told whether they use a GPU outside containers');
    const evidence = held.map(evidenceOf);
    if (thresholds.bare_metal_exempt_users?.includes(user))
      return without('exempt', 'they may use GPUs outside containers', evidence);
    const theirs = processes?.filter(({ uuid }) => held.some(({ use }) => use.uuid === uuid)) ?? [];
    if (theirs.length === 0)
      return without('unknown', 'nobody knows which programs they run there, and since when', evidence);
    const counted = theirs.filter((process) => !isExempt(process, thresholds));
    if (counted.length === 0)
      return without('exempt', 'only programs that belong to the machine run there', evidence);
    return running(subject, counted, evidence);
  },
};

function running(
  { thresholds }: UserCase,
  counted: readonly BareMetalProcess[],
  evidence: readonly Evidence[],
): Verdict {
  const starts = counted.flatMap(({ sinceMs }) => sinceMs ?? []);
  const commands = [...new Set(counted.map(({ command }) => command ?? 'a program that cannot be seen'))];
  const programs = measured('programs', { kind: 'text', text: commands.join(', ') });
  if (starts.length === 0)
    return without('unknown', 'nobody knows since when they use a GPU outside containers', [
      ...evidence,
      programs,
    ]);
  const sinceMs = Math.min(...starts);
  const graceSeconds = thresholds.bare_metal_grace ?? usualGraceSeconds;
  return {
    policy,
    state: 'running',
    reason: 'they use a GPU outside containers, where no limit holds',
    action: 'flag',
    sinceMs,
    deadlineMs: sinceMs + graceSeconds * 1000,
    evidence: [
      ...evidence,
      programs,
      measured('since', { kind: 'instant', unixMs: sinceMs }),
      measured('time until it is flagged', { kind: 'duration', seconds: graceSeconds }),
    ],
  };
}

/** A process can call itself anything; the file that it runs, where only root can put one, cannot be chosen. */
function isExempt(
  { command }: BareMetalProcess,
  { bare_metal_exempt_commands: own = [] }: Thresholds,
): boolean {
  if (command === null) return false;
  // The kernel adds this when the package was upgraded meanwhile, proc(5).
  const path = command.replace(/ \(deleted\)$/, '');
  if (own.includes(path)) return true;
  const name = basename(path);
  return (
    (usualCommands.has(name) || own.includes(name)) && systemFolders.some((folder) => path.startsWith(folder))
  );
}

function evidenceOf({ use }: BareMetalUse): Evidence {
  return typeof use.memoryUsedBytes === 'number'
    ? measured(`memory of ${use.uuid} in use`, { kind: 'size', bytes: use.memoryUsedBytes })
    : measured('device', { kind: 'text', text: use.uuid });
}

function without(
  state: 'clear' | 'exempt' | 'unknown',
  reason: string,
  evidence: readonly Evidence[] = [],
): Verdict {
  return { policy, state, reason, evidence };
}
