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
    read(bytes, end, into) {
      into.cpuSeconds = seconds(valueOfKey(bytes, end, usage));
      into.cpuThrottledSeconds = seconds(valueOfKey(bytes, end, throttled));
    },
  },
  {
    name: 'cpu.max',
    controller: 'cpu',
    pace: 'slow',
    fields: ['cpuQuotaMicroseconds', 'cpuPeriodMicroseconds'],
    read(bytes, end, into) {
      const none = startsWith(bytes, end, max);
      const between = bytes.indexOf(space);
      const period = between === -1 ? null : decimalAt(bytes, between + 1, end);
      into.cpuPeriodMicroseconds = period;
      into.cpuQuotaMicroseconds =
        period === null ? null : none ? Number.POSITIVE_INFINITY : decimalAt(bytes, 0, end);
    },
  },
  {
    name: 'memory.current',
    controller: 'memory',
    pace: 'hot',
    fields: ['memoryUsageBytes'],
    read(bytes, end, into) {
      into.memoryUsageBytes = wholeDecimal(bytes, end);
    },
  },
  {
    name: 'memory.stat',
    controller: 'memory',
    pace: 'hot',
    fields: ['inactiveFileBytes'],
    read(bytes, end, into) {
      into.inactiveFileBytes = valueOfKey(bytes, end, inactiveFile);
    },
  },
  {
    name: 'memory.max',
    controller: 'memory',
    pace: 'slow',
    fields: ['memoryLimitBytes'],
    read(bytes, end, into) {
      into.memoryLimitBytes = wholeLimit(bytes, end);
    },
  },
  {
    name: 'memory.swap.current',
    controller: 'memory',
    pace: 'hot',
    fields: ['swapBytes'],
    read(bytes, end, into) {
      into.swapBytes = wholeDecimal(bytes, end);
    },
  },
  {
    name: 'memory.events',
    controller: 'memory',
    pace: 'hot',
    fields: ['oomKills'],
    read(bytes, end, into) {
      into.oomKills = valueOfKey(bytes, end, oomKill);
    },
  },
  {
    name: 'pids.current',
    controller: 'pids',
    pace: 'hot',
    fields: ['pids'],
    read(bytes, end, into) {
      into.pids = wholeDecimal(bytes, end);
    },
  },
  {
    name: 'pids.max',
    controller: 'pids',
    pace: 'slow',
    fields: ['pidsLimit'],
    read(bytes, end, into) {
      into.pidsLimit = wholeLimit(bytes, end);
    },
  },
  {
    name: 'io.stat',
    controller: 'io',
    pace: 'hot',
    fields: ['blockReadBytes', 'blockWriteBytes'],
    read(bytes, end, into) {
      // The one file whose emptiness is a figure: the kernel writes a disk's line with the first I/O on it. Taking it
      // for unknown would hide the first burst of every container. Stacked devices (LVM, dm-crypt) have a line a
      // level and are counted a level, as `docker stats` does.
      into.blockReadBytes = end === 0 ? 0 : sumAfter(bytes, end, readBytes);
      into.blockWriteBytes = end === 0 ? 0 : sumAfter(bytes, end, writeBytes);
    },
  },
  {
    name: 'cpu.pressure',
    controller: null,
    pace: 'hot',
    fields: ['cpuSomeSeconds'],
    read(bytes, end, into) {
      into.cpuSomeSeconds = someSeconds(bytes, end);
    },
  },
  {
    name: 'memory.pressure',
    controller: null,
    pace: 'hot',
    fields: ['memorySomeSeconds', 'memoryFullSeconds'],
    read(bytes, end, into) {
      into.memorySomeSeconds = someSeconds(bytes, end);
      into.memoryFullSeconds = fullSeconds(bytes, end);
    },
  },
  {
    name: 'io.pressure',
    controller: null,
    pace: 'hot',
    fields: ['ioSomeSeconds', 'ioFullSeconds'],
    read(bytes, end, into) {
      into.ioSomeSeconds = someSeconds(bytes, end);
      into.ioFullSeconds = fullSeconds(bytes, end);
    },
  },
];

function seconds(microseconds: number | null): number | null {
  return microseconds === null ? null : microseconds / microsecondsPerSecond;
}
