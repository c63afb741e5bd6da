import type { LabGpus } from '../../agent/lab/gpu/lab-gpus.ts';
import type { CgroupSample } from '../../agent/sources/cgroup/sample.ts';

/** A sample of which only what is named is known. */
export function sampleOf(known: Partial<CgroupSample> = {}): CgroupSample {
  return {
    cpuSeconds: null,
    cpuThrottledSeconds: null,
    cpuLimitCores: null,
    memoryWorkingSetBytes: null,
    memoryLimitBytes: null,
    swapBytes: null,
    oomKills: null,
    blockReadBytes: null,
    blockWriteBytes: null,
    pids: null,
    pidsLimit: null,
    pressure: null,
    network: null,
    ...known,
  };
}

/** What is known of the GPUs of a machine that has none. */
export const noGpus: LabGpus = {
  source: null,
  restarts: 0,
  driverVersion: null,
  devices: [],
  containers: new Map(),
  bareMetal: [],
};
