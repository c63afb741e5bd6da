/** How long the event loop stood still at most. */
export interface Stall {
  /** By the clock, in milliseconds. On a machine that has other work too, much of it may be waiting for a CPU. */
  readonly wallMs: number;
  /** The most CPU time of this thread between two turns: what the clock would say on a machine with a CPU to spare. */
  readonly cpuMs: number;
}

/** Looks at the event loop every millisecond until the returned function is called. */
export function watchEventLoop(): () => Stall {
  const periodMs = 1;
  let wallMs = 0;
  let cpuMs = 0;
  let before = { atMs: performance.now(), cpuMs: threadCpuMs() };
  const timer = setInterval(() => {
    const now = { atMs: performance.now(), cpuMs: threadCpuMs() };
    wallMs = Math.max(wallMs, now.atMs - before.atMs - periodMs);
    cpuMs = Math.max(cpuMs, now.cpuMs - before.cpuMs);
    before = now;
  }, periodMs);
  return () => {
    clearInterval(timer);
    return { wallMs, cpuMs };
  };
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
