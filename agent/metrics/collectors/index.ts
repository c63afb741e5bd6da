import type { Collector } from '../collector.ts';
import { agent } from './agent.ts';
import { containerDockerLabels } from './container-docker-labels.ts';
import { containerInfo } from './container-info.ts';
import { containerLimits } from './container-limits.ts';
import { containerPressure } from './container-pressure.ts';
import { containerUsage } from './container-usage.ts';
import { host } from './host.ts';
import { users } from './users.ts';

/** Every family that is read off the snapshot, in the order of the page. A new one is a new file and a line here. */
export const collectors: readonly Collector[] = [
  agent,
  host,
  users,
  containerInfo,
  containerLimits,
  containerUsage,
  containerPressure,
  containerDockerLabels,
];
