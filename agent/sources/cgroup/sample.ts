/**
 * What the kernel says about one container at one instant. `null` is *unknown* (the file is missing, unreadable or
 * the kernel does not keep it) and is never to be taken for zero. `Infinity` in a limit means that none is set.
 *
 * CPU time, memory, block I/O, pids and network are of this very instant; limits, throttling, swap, OOM kills and
 * pressure may be up to 40 seconds older.
 */
export interface CgroupSample {
  readonly cpuSeconds: number | null;
  /** Time in which a CPU quota held the container back. */
  readonly cpuThrottledSeconds: number | null;
  readonly cpuLimitCores: number | null;
  /** Usage less inactive file cache, floored at 0: cAdvisor's definition, which the OOM killer's view follows. */
  readonly memoryWorkingSetBytes: number | null;
  readonly memoryLimitBytes: number | null;
  readonly swapBytes: number | null;
  readonly oomKills: number | null;
  readonly blockReadBytes: number | null;
  readonly blockWriteBytes: number | null;
  readonly pids: number | null;
  readonly pidsLimit: number | null;
  readonly pressure: PressureSample | null;
  /** null where the container has no network of its own (host's or another container's) or it cannot be read. */
  readonly network: NetworkSample | null;
}

/** Pressure stall totals (PSI): seconds in which some, or all, tasks waited. Kernel: Documentation/accounting/psi. */
export interface PressureSample {
  readonly cpuSomeSeconds: number | null;
  readonly memorySomeSeconds: number | null;
  readonly memoryFullSeconds: number | null;
  readonly ioSomeSeconds: number | null;
  readonly ioFullSeconds: number | null;
}

/** Bytes through the interfaces of a container's own network namespace, loopback left out. */
export interface NetworkSample {
  readonly receiveBytes: number;
  readonly transmitBytes: number;
}

/** What one attempt to sample a container came to. */
export type SampleOutcome =
  | { readonly kind: 'sampled'; readonly sample: CgroupSample }
  /** The cgroup is gone (ENODEV, ENOENT): the container ended. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly error: Error };
