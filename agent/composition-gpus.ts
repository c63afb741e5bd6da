import type { Logger } from 'pino';
import type { AgentConfig } from './config/agent-config.ts';
import type { ContainerId } from './config/ids.ts';
import { createGpuBooks } from './lab/gpu/gpus.ts';
import type { LabGpus } from './lab/gpu/lab-gpus.ts';
import { targetOf } from './lab/snapshot.ts';
import type { ContainerRecord } from './sources/docker/record.ts';
import { type DeviceAccess, createDeviceAccessReader } from './sources/gpu/device-access.ts';
import { type Gpus, startGpus } from './sources/gpu/gpus.ts';
import { readGpuHardware } from './sources/gpu/hardware.ts';
import { createNvidiaSmiSource } from './sources/gpu/nvidia-smi/source.ts';
import { createNvmlSource } from './sources/gpu/nvml/source.ts';
import { createProcessOrigins } from './sources/process-origin.ts';
import { startTimer } from './sources/timer.ts';
import type { UserDirectory } from './sources/users.ts';

export interface GpuPartsOptions {
  readonly settings: AgentConfig;
  readonly containers: () => ReadonlyMap<ContainerId, ContainerRecord>;
  readonly users: UserDirectory;
  /** Something about the GPUs has changed, a new reading included. */
  readonly onChange: () => void;
  readonly log: Logger;
}

export interface GpuParts {
  readonly control: Gpus;
  view(): LabGpus;
  stop(): Promise<void>;
}

/** systemd takes devices away in an instant and nobody notices for hours: a look a minute is plenty. */
const accessIntervalMs = 60_000;

/** Wires what reads GPUs to who uses them. */
export function startGpuParts({ settings, containers, users, onChange, log }: GpuPartsOptions): GpuParts {
  const intervalMs = settings.intervals.gpusSeconds * 1000;
  let access: ReadonlyMap<ContainerId, DeviceAccess> = new Map();
  const control = startGpus({
    intervalMs,
    first: (common) => createNvmlSource({ ...common, library: settings.gpu.nvmlLibrary }),
    fallback: (common) => createNvidiaSmiSource({ ...common, program: settings.gpu.nvidiaSmi }),
    hardware: readGpuHardware,
    onReading(reading) {
      books.add(reading);
      onChange();
    },
    onChange,
    log,
  });
  const books = createGpuBooks({
    containers,
    origins: createProcessOrigins(settings.paths.proc),
    users,
    access: (id) => access.get(id) ?? 'unknown',
    status: () => control,
    intervalMs,
    now: () => performance.now(),
  });
  const accessReader = createDeviceAccessReader(settings.paths);
  const accessTimer = startTimer(
    accessIntervalMs,
    async () => {
      const given = [...containers().values()].flatMap((record) =>
        record.gpuRequest.kind === 'none' ? [] : (targetOf(record) ?? []),
      );
      access = await accessReader.read(given);
    },
    log,
  );
  return {
    control,
    view: () => books.view(),
    async stop() {
      await Promise.all([accessTimer.stop(), control.stop()]);
    },
  };
}
