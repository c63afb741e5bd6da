import { closeSync, constants, openSync, readSync } from 'node:fs';
import type { DescriptorBudget } from '../fd-budget.ts';

/** A small kernel file that is read again and again. */
export interface KernelFile {
  readonly path: string;
  /** Whether its descriptor may stay open between two reads. */
  readonly keep: boolean;
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
  /** What the last `read` read; overwritten by the next. */
  bytes: Buffer;
  /**
   * Reads a file from its start into `bytes` and returns how many bytes it has. The descriptor is kept where the file
   * allows it and the budget has one left. Synchronous, because kernel files never wait for a device, and a promise
   * costs twelve times the read.
   *
   * @throws the error of open(2) or read(2); ENODEV where the cgroup of a kept descriptor was removed
   */
  read(file: KernelFile): number;
  /** Closes the kept descriptor, if there is one. */
  release(file: KernelFile): void;
}

const firstBufferBytes = 16 * 1024;
const largestBufferBytes = 1024 * 1024;
/** Below this a paged file cannot have been cut: a record is shorter than the rest of the smallest page (4 KiB). */
const surelyOnePageBytes = 3 * 1024;

export function createKernelFileReader(budget: DescriptorBudget): KernelFileReader {
  const reader: KernelFileReader = {
    bytes: Buffer.allocUnsafeSlow(firstBufferBytes),
    read(file) {
      if (file.fd >= 0) return fill(reader, file.fd, file.paged);
      const fd = openSync(file.path, constants.O_RDONLY);
      let kept = false;
      try {
        const length = fill(reader, fd, file.paged);
        kept = file.keep && budget.take();
        return length;
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
  return reader;
}

function fill(reader: KernelFileReader, fd: number, paged: boolean): number {
  let length = readSync(fd, reader.bytes, 0, reader.bytes.length, 0);
  if (length < reader.bytes.length && !(paged && length >= surelyOnePageBytes)) return length;
  for (;;) {
    if (length === reader.bytes.length) grow(reader);
    const more = readSync(fd, reader.bytes, length, reader.bytes.length - length, length);
    if (more === 0) return length;
    length += more;
  }
}

function grow(reader: KernelFileReader): void {
  const { bytes } = reader;
  if (bytes.length >= largestBufferBytes)
    throw new Error(`a kernel file is larger than ${largestBufferBytes} bytes`);
  reader.bytes = Buffer.allocUnsafeSlow(bytes.length * 2);
  bytes.copy(reader.bytes);
}
