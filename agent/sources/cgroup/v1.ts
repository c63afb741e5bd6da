import { decimalAt, lineKey, sumAfter, valueOfKey, wholeDecimal, wholeLimit } from './kernel-text.ts';
import type { CgroupFile } from './readings.ts';

const throttledTime = lineKey('throttled_time');
const totalInactiveFile = lineKey('total_inactive_file');
const totalSwap = lineKey('total_swap');
const oomKill = lineKey('oom_kill');
const read = Buffer.from(' Read ');
const write = Buffer.from(' Write ');
const minus = 0x2d;
const nanosecondsPerSecond = 1e9;

/**
 * "No limit" is the largest multiple of the page size below 2^63, hence another number on machines with 64 KiB pages;
 * no machine has 4 EiB of memory.
 */
const noMemoryLimitFrom = 2 ** 62;

/**
 * The files of cgroup v1 (kernel: Documentation/admin-guide/cgroup-v1). Each stands in the hierarchy of its
 * controller. Memory figures are those of the whole subtree (`total_…`), as the limit counts them.
 */
export const v1Files: readonly CgroupFile[] = [
  {
    name: 'cpuacct.usage',
    controller: 'cpuacct',
    pace: 'hot',
    fields: ['cpuSeconds'],
    read(bytes, into) {
      into.cpuSeconds = seconds(wholeDecimal(bytes));
    },
  },
  {
    name: 'cpu.stat',
    controller: 'cpu',
    pace: 'slow',
    fields: ['cpuThrottledSeconds'],
    read(bytes, into) {
      into.cpuThrottledSeconds = seconds(valueOfKey(bytes, throttledTime));
    },
  },
  {
    name: 'cpu.cfs_quota_us',
    controller: 'cpu',
    pace: 'slow',
    fields: ['cpuQuotaMicroseconds'],
    read(bytes, into) {
      const none = bytes[0] === minus && decimalAt(bytes, 1) === 1;
      into.cpuQuotaMicroseconds = none ? Number.POSITIVE_INFINITY : wholeDecimal(bytes);
    },
  },
  {
    name: 'cpu.cfs_period_us',
    controller: 'cpu',
    pace: 'slow',
    fields: ['cpuPeriodMicroseconds'],
    read(bytes, into) {
      into.cpuPeriodMicroseconds = wholeDecimal(bytes);
    },
  },
  {
    name: 'memory.usage_in_bytes',
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
    fields: ['inactiveFileBytes', 'swapBytes'],
    read(bytes, into) {
      into.inactiveFileBytes = valueOfKey(bytes, totalInactiveFile);
      // Absent where the kernel does not account for swap (swapaccount=0): unknown, not none.
      into.swapBytes = valueOfKey(bytes, totalSwap);
    },
  },
  {
    name: 'memory.limit_in_bytes',
    controller: 'memory',
    pace: 'slow',
    fields: ['memoryLimitBytes'],
    read(bytes, into) {
      const limit = wholeDecimal(bytes);
      into.memoryLimitBytes = limit !== null && limit >= noMemoryLimitFrom ? Number.POSITIVE_INFINITY : limit;
    },
  },
  {
    name: 'memory.oom_control',
    controller: 'memory',
    pace: 'slow',
    fields: ['oomKills'],
    read(bytes, into) {
      // The line is there since Linux 4.13.
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
  // Counts nested cgroups too; old kernels only have the other.
  blockFile('blkio.throttle.io_service_bytes_recursive'),
  {
    ...blockFile('blkio.throttle.io_service_bytes'),
    supersededBy: 'blkio.throttle.io_service_bytes_recursive',
  },
];

/**
 * Kernels from about 5.x on count a disk here only once some throttle rule has been set on it since boot; until then
 * the file has no line for it, whatever the container reads and writes. So a file without a device is *unknown* and
 * not zero, and a figure is a lower bound where a machine has several disks. `Sync` and `Total` include discards and
 * are left out.
 */
function blockFile(name: string): CgroupFile {
  return {
    name,
    controller: 'io',
    pace: 'hot',
    fields: ['blockReadBytes', 'blockWriteBytes'],
    read(bytes, into) {
      into.blockReadBytes = sumAfter(bytes, read);
      into.blockWriteBytes = sumAfter(bytes, write);
    },
  };
}

function seconds(nanoseconds: number | null): number | null {
  return nanoseconds === null ? null : nanoseconds / nanosecondsPerSecond;
}
