import { readFileSync, readlinkSync } from 'node:fs';
import type { Logger } from 'pino';
import type { ContainerId } from '../config/ids.ts';
import type { ContainerTarget } from './cgroup/watched-container.ts';
import { runChild } from './child.ts';
import { createGiveWay } from './give-way.ts';
import { startTimer } from './timer.ts';

/** Finds out when somebody last typed at a terminal of a container, as w(1) does: by the access time of its pts. */
export interface PresenceReader {
  /**
   * Unix milliseconds by container; those without a terminal are left out. Never rejects, and what cannot be read is
   * left out too: presence only ever speaks for somebody.
   */
  read(targets: readonly ContainerTarget[]): Promise<ReadonlyMap<ContainerId, number>>;
}

export interface PresenceOptions {
  readonly proc: string;
  readonly listProcesses: (target: ContainerTarget) => readonly number[];
  /** How many processes of all containers are looked at in one reading. */
  readonly mostProcesses?: number;
}

/** The newest reading of it, on a slow timer. */
export interface Presence {
  readonly lastTyped: ReadonlyMap<ContainerId, number>;
  stop(): Promise<void>;
}

const everyMs = 30_000;
const deadlineMs = 5_000;
/** Unix98 pseudo terminals have the majors 136 to 143. Kernel: Documentation/admin-guide/devices.txt. */
const firstPtsMajor = 136;
const lastPtsMajor = 143;

export function createPresenceReader(options: PresenceOptions): PresenceReader {
  const { proc, listProcesses, mostProcesses = 4_000 } = options;
  return {
    async read(targets) {
      const containerOf = new Map<string, ContainerId>();
      const seen = new Set<string>();
      let looked = 0;
      const giveWay = createGiveWay();
      for (const target of targets) {
        if (giveWay.isDue) await giveWay.now();
        for (const pid of listProcesses(target)) {
          looked += 1;
          if (looked > mostProcesses) break;
          const terminal = terminalOf(proc, pid);
          // Of the processes at one terminal one tells as much as all.
          if (terminal === null || seen.has(`${target.id} ${terminal.device}`)) continue;
          seen.add(`${target.id} ${terminal.device}`);
          containerOf.set(terminal.path, target.id);
        }
      }
      return containerOf.size === 0 ? new Map() : await lastTyped(containerOf);
    },
  };
}

/** Reads presence again and again. */
export function startPresence(options: {
  readonly proc: string;
  readonly listProcesses: (target: ContainerTarget) => readonly number[];
  readonly running: () => readonly ContainerTarget[];
  readonly log: Logger;
}): Presence {
  const reader = createPresenceReader(options);
  let newest: ReadonlyMap<ContainerId, number> = new Map();
  const timer = startTimer(
    everyMs,
    async () => {
      newest = await reader.read(options.running());
    },
    options.log,
  );
  return {
    get lastTyped() {
      return newest;
    },
    stop: () => timer.stop(),
  };
}

/** The device number of the controlling terminal, field 7 of `/proc/PID/stat` (proc_pid_stat(5)); 0 for none. */
export function parseTerminal(stat: string): number {
  const afterName = stat.slice(stat.lastIndexOf(')') + 2);
  return Number(afterName.split(' ', 5)[4] ?? 0) || 0;
}

/** A descriptor of the process that leads to its terminal; by it nothing has to be looked up inside the container. */
function terminalOf(proc: string, pid: number): { readonly device: number; readonly path: string } | null {
  try {
    const device = parseTerminal(readFileSync(`${proc}/${pid}/stat`, 'latin1'));
    const major = (device >> 8) & 0xfff;
    if (major < firstPtsMajor || major > lastPtsMajor) return null;
    for (const descriptor of [0, 1, 2]) {
      const path = `${proc}/${pid}/fd/${descriptor}`;
      if (/^\/dev\/pts\/\d+$/.test(readlinkSync(path))) return { device, path };
    }
    return null;
  } catch {
    return null; // gone, or not ours to see
  }
}

/** In a child, because whatever stands behind a descriptor of a container may hang whoever looks at it. */
async function lastTyped(
  containerOf: ReadonlyMap<string, ContainerId>,
): Promise<ReadonlyMap<ContainerId, number>> {
  const last = new Map<ContainerId, number>();
  const { outcome } = runChild('stat', ['-L', '-c', '%n %X %t', '--', ...containerOf.keys()], { deadlineMs });
  const ended = await outcome;
  // Some may be gone by now: what stat says of the others counts all the same.
  const lines = ended.kind === 'exited' ? ended.stdout.split('\n') : [];
  for (const line of lines) {
    const [path = '', atSeconds = '', major = ''] = line.split(' ');
    const id = containerOf.get(path);
    const number = Number.parseInt(major, 16);
    if (id === undefined || number < firstPtsMajor || number > lastPtsMajor) continue;
    last.set(id, Math.max(last.get(id) ?? 0, Number(atSeconds) * 1000));
  }
  return last;
}
