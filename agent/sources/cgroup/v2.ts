import {
  decimalAt,
  lineKey,
  startsWith,
  sumAfter,
  valueOfKey,
  wholeDecimal,
  wholeLimit,
} from './kernel-text.ts';
import { fullSeconds, someSeconds } from './pressure.ts';
import type { CgroupFile } from './readings.ts';

const usage = lineKey('usage_usec');
const throttled = lineKey('throttled_usec');
const inactiveFile = lineKey('inactive_file');
const oomKill = lineKey('oom_kill');
const readBytes = Buffer.from(' rbytes=');
const writeBytes = Buffer.from(' wbytes=');
const max = Buffer.from('max ');
const space = 0x20;
const microsecondsPerSecond = 1e6;

/** The files of cgroup v2 (kernel: Documentation/admin-guide/cgroup-v2.rst), all in one directory. */
export const v2Files: readonly CgroupFile[] = [
  {
    name: 'cpu.stat',
    controller: 'cpu',
    pace: 'hot',
    fields: ['cpuSeconds', 'cpuThrottledSeconds'],
    read(bytes, into) {
      into.cpuSeconds = seconds(valueOfKey(bytes, usage));
      into.cpuThrottledSeconds = seconds(valueOfKey(bytes, throttled));
    },
  },
  {
    name: 'cpu.max',
    controller: 'cpu',
    pace: 'slow',
    fields: ['cpuQuotaMicroseconds', 'cpuPeriodMicroseconds'],
    read(bytes, into) {
      const none = startsWith(bytes, max);
      const between = bytes.indexOf(space);
      const period = between === -1 ? null : decimalAt(bytes, between + 1);
      into.cpuPeriodMicroseconds = period;
      into.cpuQuotaMicroseconds =
        period === null ? null : none ? Number.POSITIVE_INFINITY : decimalAt(bytes, 0);
    },
  },
  {
    name: 'memory.current',
    controller: 'memory',
    pace: 'hot',
    fields: ['memoryUsageBytes'],
    read(bytes, into) {
      into.memoryUsageBytes = wholeDecimal(bytes);
    },
  },
  {
    name: 'memory.stat',
    controller: 'memory',
    pace: 'hot',
    fields: ['inactiveFileBytes'],
    read(bytes, into) {
      into.inactiveFileBytes = valueOfKey(bytes, inactiveFile);
    },
  },
  {
    name: 'memory.max',
    controller: 'memory',
    pace: 'slow',
    fields: ['memoryLimitBytes'],
    read(bytes, into) {
      into.memoryLimitBytes = wholeLimit(bytes);
    },
  },
  {
    name: 'memory.swap.current',
    controller: 'memory',
    pace: 'slow',
    fields: ['swapBytes'],
    read(bytes, into) {
      into.swapBytes = wholeDecimal(bytes);
    },
  },
  {
    name: 'memory.events',
    controller: 'memory',
    pace: 'slow',
    fields: ['oomKills'],
    read(bytes, into) {
      into.oomKills = valueOfKey(bytes, oomKill);
    },
  },
  {
    name: 'pids.current',
    controller: 'pids',
    pace: 'hot',
    fields: ['pids'],
    read(bytes, into) {
      into.pids = wholeDecimal(bytes);
    },
  },
  {
    name: 'pids.max',
    controller: 'pids',
    pace: 'slow',
    fields: ['pidsLimit'],
    read(bytes, into) {
      into.pidsLimit = wholeLimit(bytes);
    },
  },
  {
    name: 'io.stat',
    controller: 'io',
    pace: 'hot',
    fields: ['blockReadBytes', 'blockWriteBytes'],
    read(bytes, into) {
      // The one file whose emptiness is a figure: the kernel writes a disk's line with the first I/O on it. Taking it
      // for unknown would hide the first burst of every container. Stacked devices (LVM, dm-crypt) have a line a
      // level and are counted a level, as `docker stats` does.
      into.blockReadBytes = bytes.length === 0 ? 0 : sumAfter(bytes, readBytes);
      into.blockWriteBytes = bytes.length === 0 ? 0 : sumAfter(bytes, writeBytes);
    },
  },
  {
    name: 'cpu.pressure',
    controller: null,
    pace: 'slow',
    fields: ['cpuSomeSeconds'],
    read(bytes, into) {
      into.cpuSomeSeconds = someSeconds(bytes);
    },
  },
  {
    name: 'memory.pressure',
    controller: null,
    pace: 'slow',
    fields: ['memorySomeSeconds', 'memoryFullSeconds'],
    read(bytes, into) {
      into.memorySomeSeconds = someSeconds(bytes);
      into.memoryFullSeconds = fullSeconds(bytes);
    },
  },
  {
    name: 'io.pressure',
    controller: null,
    pace: 'slow',
    fields: ['ioSomeSeconds', 'ioFullSeconds'],
    read(bytes, into) {
      into.ioSomeSeconds = someSeconds(bytes);
      into.ioFullSeconds = fullSeconds(bytes);
    },
  },
];

function seconds(microseconds: number | null): number | null {
  return microseconds === null ? null : microseconds / microsecondsPerSecond;
}
