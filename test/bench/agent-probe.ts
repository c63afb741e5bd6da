import { createServer } from 'node:net';
import { type Stall, watchEventLoop } from './event-loop.ts';

/**
 * Loaded into a real agent by the benchmarks (`--import`): answers each connection with what the process has used, and
 * how long its event loop stood still since it was told to `watch`. It only watches then, for that has a cost of its
 * own. Told to `settle`, it collects garbage first.
 */
export type ProbeWord = 'watch' | 'read' | 'settle';

export interface ProbeAnswer {
  /** CPU time of all threads since the start. */
  readonly cpuMs: number;
  readonly stall: Stall;
  /** What is in use, on the heap and in buffers. */
  readonly heapBytes: number;
}

export const probeSocketVariable = 'BENCH_PROBE_SOCKET';

const socketPath = process.env[probeSocketVariable];
// The agent starts children of its own kind, which inherit the environment.
if (socketPath !== undefined && process.argv[2] === 'run') {
  let stopWatching: (() => Stall) | null = null;
  const server = createServer((connection) => {
    connection.once('data', (bytes) => {
      const word = bytes.toString();
      if (word === 'settle') for (let round = 0; round < 3; round += 1) globalThis.gc?.();
      const { user, system } = process.cpuUsage();
      const stall = stopWatching?.() ?? { wallMs: 0, cpuMs: 0 };
      stopWatching = word === 'watch' ? watchEventLoop() : null;
      const { heapUsed, external } = process.memoryUsage();
      const answer: ProbeAnswer = { cpuMs: (user + system) / 1000, stall, heapBytes: heapUsed + external };
      connection.end(JSON.stringify(answer));
    });
  });
  server.listen(socketPath);
  server.unref();
}
