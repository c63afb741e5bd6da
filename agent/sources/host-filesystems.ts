/**
 * A program of its own, run by the host source in a child: prints the machine's file systems as JSON and ends. In a
 * child, because a dead network mount hangs whoever looks at it, and because systeminformation need not stay in the
 * agent's memory for one look in minutes. Argument: Docker's data folder, or nothing.
 */
import { realpathSync } from 'node:fs';
import { fsSize } from 'systeminformation';
import type { HostFilesystem } from './host.ts';

/** Not disks: memory, container layers, images that are read-only by nature, the kernel's own. */
const notDisks = new Set([
  'aufs',
  'autofs',
  'cramfs',
  'devtmpfs',
  'efivarfs',
  'erofs',
  'fuse.lxcfs',
  'fuse.snapfuse',
  'iso9660',
  'nsfs',
  'overlay',
  'ramfs',
  'squashfs',
  'tmpfs',
]);

const dockerRoot = realPath(process.argv[2] ?? '');
const mounted = (await fsSize()).filter(({ type, size }) => size > 0 && !notDisks.has(type));
const holding = mounted
  .filter(({ mount }) => dockerRoot !== null && isWithin(dockerRoot, mount))
  .reduce<string | null>(
    (deepest, { mount }) => (mount.length > (deepest?.length ?? 0) ? mount : deepest),
    null,
  );
const filesystems = mounted.map(
  ({ mount, type, size, available }): HostFilesystem => ({
    mountPoint: mount,
    type,
    sizeBytes: size,
    availableBytes: available,
    holdsDockerData: mount === holding,
  }),
);
process.stdout.write(JSON.stringify(filesystems));

/** null where there is no such folder (any more). */
function realPath(path: string): string | null {
  try {
    return path === '' ? null : realpathSync(path);
  } catch {
    return null;
  }
}

function isWithin(path: string, parent: string): boolean {
  return parent === '/' || path === parent || path.startsWith(`${parent}/`);
}
