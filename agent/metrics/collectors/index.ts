import type { Collector } from '../collector.ts';
import { agent } from './agent.ts';
import { bareMetalGpus } from './bare-metal-gpus.ts';
import { containerActivity } from './container-activity.ts';
import { containerDockerLabels } from './container-docker-labels.ts';
import { containerGpus } from './container-gpus.ts';
import { containerInfo } from './container-info.ts';
import { containerLimits } from './container-limits.ts';
import { containerPressure } from './container-pressure.ts';
import { containerRungs } from './container-rungs.ts';
import { containerUsage } from './container-usage.ts';
import { gpuAvailability } from './gpu-availability.ts';
import { gpuDevices } from './gpu-devices.ts';
import { host } from './host.ts';
import { users } from './users.ts';

/** Every family that is read off the snapshot, in the order of the page. A new one is a new file and a line here. */
export const collectors: readonly Collector[] = [
  agent,
  host,
  gpuDevices,
  gpuAvailability,
  users,
  bareMetalGpus,
  containerInfo,
  containerLimits,
  containerUsage,
  containerGpus,
  containerActivity,
  containerRungs,
  containerPressure,
  containerDockerLabels,
];
