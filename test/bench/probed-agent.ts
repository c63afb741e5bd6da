import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { type AgentOptions, type RunningAgent, startAgent } from '../integration/agent.ts';
import { parseExposition, rowsOf } from '../integration/exposition.ts';
import { type ProbeAnswer, type ProbeWord, probeSocketVariable } from './agent-probe.ts';

const Answer = z.object({
  cpuMs: z.number(),
  stall: z.object({ wallMs: z.number(), cpuMs: z.number() }),
  heapBytes: z.number(),
});

/** A real agent in a process of its own, with a probe in it. */
export interface ProbedAgent {
  readonly agent: RunningAgent;
  /** Asks the probe in it; after `watch` it keeps an eye on the event loop until the next call. */
  probe(word: ProbeWord): Promise<ProbeAnswer>;
  /** How many cycles there were, and how long they took altogether by the agent's own clock. */
  cycles(): Promise<{ readonly count: number; readonly seconds: number }>;
  stop(): Promise<void>;
}

export async function startProbedAgent(options: AgentOptions): Promise<ProbedAgent> {
  const folder = mkdtempSync(join(tmpdir(), 'gw-bench-'));
  const socketPath = join(folder, 'probe.sock');
  const probeFile = fileURLToPath(new URL('agent-probe.ts', import.meta.url));
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  const agent = await startAgent({
    ...options,
    env: {
      ...options.env,
      NODE_OPTIONS: `--expose-gc --import=${probeFile}`,
      [probeSocketVariable]: socketPath,
    },
  }).catch((error: unknown) => {
    removeFolder();
    throw error;
  });
  return {
    agent,
    async probe(word) {
      const connection = connect(socketPath);
      connection.write(word);
      return Answer.parse(JSON.parse(await text(connection)));
    },
    async cycles() {
      const rows = parseExposition(await agent.scrape());
      const value = (suffix: string) => rowsOf(rows, `gpuwarden_sample_duration_seconds_${suffix}`)[0]?.value;
      return { count: value('count') ?? Number.NaN, seconds: value('sum') ?? Number.NaN };
    },
    async stop() {
      await agent.stop();
      removeFolder();
    },
  };
}
