import { closeSync, constants, openSync, readSync } from 'node:fs';
import type { DescriptorBudget, DescriptorPriority } from '../fd-budget.ts';

/** A small kernel file that is read again and again. */
export interface KernelFile {
  readonly path: string;
  /** How much its descriptor deserves to stay open between two reads. */
  readonly priority: DescriptorPriority;
  /**
   * Whether the kernel hands the file out record by record, a page at a time (`net/dev`): then one read may end early,
   * at a line's end. cgroup files come whole.
   */
  readonly paged: boolean;
  /** The kept descriptor; -1 for none. */
  fd: number;
}

/** Reads kernel files into one buffer that all of them share. */
export interface KernelFileReader {
  /**
   * Reads a whole file, from its start. What is returned is overwritten by the next read. The descriptor is kept while
   * the budget has one left for its priority. Synchronous, because kernel files never wait for a device, and a
   * promise costs twelve times the read.
   *
   * @throws the error of open(2) or read(2); ENODEV where the cgroup of a kept descriptor was removed
   */
  read(file: KernelFile): Buffer;
  /** Closes the kept descriptor, if there is one. */
  release(file: KernelFile): void;
}

const firstBufferBytes = 16 * 1024;
const largestBufferBytes = 1024 * 1024;
/** Below this a paged file cannot have been cut: a record is shorter than the rest of the smallest page (4 KiB). */
const surelyOnePageBytes = 3 * 1024;

export function createKernelFileReader(budget: DescriptorBudget): KernelFileReader {
  let buffer = Buffer.allocUnsafeSlow(firstBufferBytes);
  /**
   * Views of the buffer's first bytes, by length. Lengths repeat, so that a cycle makes no garbage; and searching a
   * view ends where the file ends, and not in what longer files left behind it.
   */
  let views: Buffer[] = [];

  function grow(): void {
    if (buffer.length >= largestBufferBytes)
      throw new Error(`a kernel file has ${largestBufferBytes} bytes or more`);
    const larger = Buffer.allocUnsafeSlow(buffer.length * 2);
    buffer.copy(larger);
    buffer = larger;
    views = [];
  }

  /** Reads on until the file ends. */
  function fillFrom(fd: number, from: number): number {
    let length = from;
    for (;;) {
      if (length === buffer.length) grow();
      const more = readSync(fd, buffer, length, buffer.length - length, length);
      if (more === 0) return length;
      length += more;
    }
  }

  function fill(fd: number, paged: boolean): Buffer {
    let length = readSync(fd, buffer, 0, buffer.length, 0);
    const mayEndEarly = paged && length >= surelyOnePageBytes;
    if (length === buffer.length || mayEndEarly) length = fillFrom(fd, length);
    return (views[length] ??= buffer.subarray(0, length));
  }

  return {
    read(file) {
      if (file.fd >= 0) return fill(file.fd, file.paged);
      const fd = openSync(file.path, constants.O_RDONLY);
      let kept = false;
      try {
        const bytes = fill(fd, file.paged);
        kept = budget.take(file.priority);
        return bytes;
      } finally {
        if (kept) file.fd = fd;
        else closeSync(fd);
      }
    },
    release(file) {
      if (file.fd < 0) return;
      const { fd } = file;
      file.fd = -1;
      budget.give();
      closeSync(fd);
    },
  };
}
