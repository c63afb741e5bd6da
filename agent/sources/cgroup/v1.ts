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
    read(bytes, end, into) {
      into.cpuSeconds = seconds(wholeDecimal(bytes, end));
    },
  },
  {
    name: 'cpu.stat',
    controller: 'cpu',
    pace: 'hot',
    fields: ['cpuThrottledSeconds'],
    read(bytes, end, into) {
      into.cpuThrottledSeconds = seconds(valueOfKey(bytes, end, throttledTime));
    },
  },
  {
    name: 'cpu.cfs_quota_us',
    controller: 'cpu',
    pace: 'slow',
    fields: ['cpuQuotaMicroseconds'],
    read(bytes, end, into) {
      const none = bytes[0] === minus && decimalAt(bytes, 1, end) === 1;
      into.cpuQuotaMicroseconds = none ? Number.POSITIVE_INFINITY : wholeDecimal(bytes, end);
    },
  },
  {
    name: 'cpu.cfs_period_us',
    controller: 'cpu',
    pace: 'slow',
    fields: ['cpuPeriodMicroseconds'],
    read(bytes, end, into) {
      into.cpuPeriodMicroseconds = wholeDecimal(bytes, end);
    },
  },
  {
    name: 'memory.usage_in_bytes',
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
    fields: ['inactiveFileBytes', 'swapBytes'],
    read(bytes, end, into) {
      into.inactiveFileBytes = valueOfKey(bytes, end, totalInactiveFile);
      // Absent where the kernel does not account for swap (swapaccount=0): unknown, not none.
      into.swapBytes = valueOfKey(bytes, end, totalSwap);
    },
  },
  {
    name: 'memory.limit_in_bytes',
    controller: 'memory',
    pace: 'slow',
    fields: ['memoryLimitBytes'],
    read(bytes, end, into) {
      const limit = wholeDecimal(bytes, end);
      into.memoryLimitBytes = limit !== null && limit >= noMemoryLimitFrom ? Number.POSITIVE_INFINITY : limit;
    },
  },
  {
    name: 'memory.oom_control',
    controller: 'memory',
    pace: 'hot',
    fields: ['oomKills'],
    read(bytes, end, into) {
      // The line is there since Linux 4.13.
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
    read(bytes, end, into) {
      into.blockReadBytes = sumAfter(bytes, end, read);
      into.blockWriteBytes = sumAfter(bytes, end, write);
    },
  };
}

function seconds(nanoseconds: number | null): number | null {
  return nanoseconds === null ? null : nanoseconds / nanosecondsPerSecond;
}
