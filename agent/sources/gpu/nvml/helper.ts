/**
 * The process that talks to the NVIDIA driver. A call that hangs in there hangs here, where the agent can kill it. It
 * loads as little as it can: the driver's library is large enough.
 */
import { existsSync, readFileSync } from 'node:fs';
import { type Collector, createCollector } from './collector.ts';
import { createDeadline } from './deadline.ts';
import { loadNvml } from './library.ts';
import { type HelperMessage, type StartMessage, primeArgument } from './messages.ts';

/** What pid_max is on a 64-bit machine at most, proc_sys_kernel(5). */
const largestPidMax = 4_194_304;

if (process.argv.includes(primeArgument)) await import('koffi');
else if (process.send !== undefined) serve();

function serve(): void {
  let collector: Collector | null = null;
  let startDeadline = (): void => undefined;
  // The agent is stopped in the same way, and tells us when it is our turn.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', end);
  process.on('disconnect', end);
  process.once('message', (message: StartMessage) => {
    void start(message);
  });

  async function start({
    library,
    intervalMs,
    hangSeconds,
    openSeconds,
    known,
  }: StartMessage): Promise<void> {
    const deadline = await createDeadline();
    startDeadline = () => deadline(hangSeconds);
    const loaded = await loadNvml(library);
    if (loaded.kind === 'unloadable') {
      last(loaded);
      return;
    }
    collector = createCollector({
      ...loaded,
      intervalMs,
      known,
      pidMax: readPidMax(),
      isRunning: (pid) => existsSync(`/proc/${pid}`),
      onOpen() {
        deadline(openSeconds);
        send({ kind: 'opening' });
      },
      onOpened() {
        startDeadline();
        send({ kind: 'opened' });
      },
    });
    beat(collector, performance.now());

    function beat(of: Collector, dueMs: number): void {
      startDeadline();
      const cycle = of.cycle({ monotonicMs: uptimeMs(), unixMs: Date.now() });
      deadline(0);
      if (cycle.kind === 'outdated') {
        last(cycle);
        return;
      }
      send(cycle);
      // On a fixed beat; what a slow cycle covers is left out.
      let nextMs = dueMs + intervalMs;
      while (nextMs <= performance.now()) nextMs += intervalMs;
      setTimeout(() => beat(of, nextMs), nextMs - performance.now());
    }
  }

  function last(message: HelperMessage): void {
    process.send?.(message, end);
  }

  function end(): void {
    startDeadline();
    collector?.close();
    process.exit(0);
  }
}

function send(message: HelperMessage): void {
  // Where the agent is gone there is a `disconnect` too, which ends us.
  process.send?.(message, () => undefined);
}

/** CLOCK_MONOTONIC, which some drivers stamp their samples with. */
function uptimeMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function readPidMax(): number {
  try {
    return Number.parseInt(readFileSync('/proc/sys/kernel/pid_max', 'latin1'), 10) || largestPidMax;
  } catch {
    return largestPidMax; // not in every container
  }
}
