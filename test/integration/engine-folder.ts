import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const UNMOUNT_LIMIT_MS = 30_000;

/** Where the folders of test engines are, and how they are called. */
export const ENGINE_FOLDERS = { parent: '/tmp', prefix: 'gw-engine-' } as const;

/** The file in the folder of an engine that holds the id of the process that started it. */
export const OWNER_FILE = 'owner.pid';

/** Ends what still runs out of the folder of an engine, unmounts what is mounted below it, and removes it. */
export async function removeEngineFolder(folder: string): Promise<void> {
  for (const pid of [...helpersOf(folder), ...containerProcessesOf(folder)]) killIfThere(pid);
  for (const mountPoint of mountsBelow(folder)) await unmount(mountPoint);
  // What the kernel has yet to let go of needs a moment.
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

const HELPERS = /(?:^|\/)(?:dockerd|containerd|containerd-shim[\w-]*|runc)$/;

/** The daemons and shims that were started for this folder: they name it in their arguments. */
function helpersOf(folder: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const [program = '', ...args] = readProcess(pid, 'cmdline').split('\0');
      return HELPERS.test(program) && args.some((argument) => argument.includes(`${folder}/`));
    })
    .map(Number);
}

/** The first processes of containers that outlived their shims, as containerd noted them. */
function containerProcessesOf(folder: string): readonly number[] {
  const states = [path.join(folder, 'exec/containerd/daemon'), path.join(folder, 'containerd/state')];
  return states
    .map((state) => path.join(state, 'io.containerd.runtime.v2.task/moby'))
    .filter((tasks) => existsSync(tasks))
    .flatMap((tasks) =>
      readdirSync(tasks).flatMap((id) => {
        const file = path.join(tasks, id, 'init.pid');
        const pid = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
        // The number may be somebody else's by now: only a process in the container's own cgroup is meant.
        return pid !== '' && readProcess(pid, 'cgroup').includes(id) ? [Number(pid)] : [];
      }),
    );
}

function readProcess(pid: string, file: 'cmdline' | 'cgroup'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
      return '';
    throw error;
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** The mount points below a folder, the deepest first. */
function mountsBelow(folder: string): readonly string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .map((point) =>
      point.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCodePoint(Number.parseInt(octal, 8))),
    )
    .filter((point) => point.startsWith(`${folder}/`))
    .toReversed();
}

async function unmount(mountPoint: string): Promise<void> {
  try {
    await run('umount', [mountPoint], { timeout: UNMOUNT_LIMIT_MS });
  } catch {
    // Still in use: out of the tree at once, and gone when the last user is.
    await run('umount', ['-l', mountPoint], { timeout: UNMOUNT_LIMIT_MS });
  }
}

/**
 * Clears away what earlier runs left that were killed: the folders of engines whose owner is no more.
 *
 * @returns the folders removed
 */
export async function sweepEngineFolders(): Promise<readonly string[]> {
  const swept: string[] = [];
  for (const name of readdirSync(ENGINE_FOLDERS.parent)) {
    if (!name.startsWith(ENGINE_FOLDERS.prefix)) continue;
    const folder = path.join(ENGINE_FOLDERS.parent, name);
    const ownerFile = path.join(folder, OWNER_FILE);
    // Without an owner it is just being made, or is not ours.
    if (!existsSync(ownerFile)) continue;
    const owner = readFileSync(ownerFile, 'utf8').trim();
    if (!/^\d+$/.test(owner) || existsSync(`/proc/${owner}`)) continue;
    await removeEngineFolder(folder);
    swept.push(folder);
  }
  return swept;
}
