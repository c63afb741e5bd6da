import { idle } from './idle.ts';
import { maxRuntime } from './max-runtime.ts';
import type { ContainerPolicy } from './policy.ts';

/** Every policy about containers, in the order of the pages that show them. A new one is a new file and a line here. */
export const containerPolicies: readonly ContainerPolicy[] = [idle, maxRuntime];
