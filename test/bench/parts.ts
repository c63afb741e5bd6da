import { agent } from './agent.ts';
import { gpuAttribution } from './gpu-attribution.ts';
import { gpuNvml } from './gpu-nvml.ts';
import { journal } from './journal.ts';
import { judgement } from './judgement.ts';
import { memory } from './memory.ts';
import type { BenchPart } from './part.ts';
import { realContainers } from './real-containers.ts';
import { sampling } from './sampling.ts';

/** Every part, in the order of the table. */
export const parts: readonly BenchPart[] = [
  sampling,
  agent,
  realContainers,
  memory,
  gpuNvml,
  gpuAttribution,
  judgement,
  journal,
];
