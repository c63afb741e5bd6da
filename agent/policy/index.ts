import { accessLost } from './access-lost.ts';
import { bareMetal } from './bare-metal.ts';
import { gpuHog, gpuHogUser } from './gpu-hog.ts';
import { idle } from './idle.ts';
import { maxRuntime } from './max-runtime.ts';
import type { ContainerPolicy, UserPolicy } from './policy.ts';
import { stale } from './stale.ts';
import { unmanaged } from './unmanaged.ts';

/** Every policy about containers, in the order of the pages that show them. A new one is a new file and a line here. */
export const containerPolicies: readonly ContainerPolicy[] = [
  idle,
  maxRuntime,
  gpuHog,
  unmanaged,
  stale,
  accessLost,
];

/** Every policy about users. */
export const userPolicies: readonly UserPolicy[] = [gpuHogUser, bareMetal];
