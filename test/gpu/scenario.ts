import { renameSync, writeFileSync } from 'node:fs';
import type { FigureSource, MockFigures } from './scenario-figures.ts';
import { scenarioText } from './scenario-text.ts';

/**
 * What a mock NVML is to say (test/gpu/nvml-mock). It is written to the file that NVML_MOCK_SCENARIO names; the library
 * reads the file again whenever it changed, so that a running client meets what happens as it happens.
 * Error codes are those of nvmlReturn_t.
 */
export interface Scenario {
  readonly driverVersion?: string;
  readonly nvmlVersion?: string;
  /** 12040 is CUDA 12.4. */
  readonly cudaVersion?: number;
  /** What every function that initialises the library answers; 9: the driver is not loaded. */
  readonly initError?: number;
  /** Unix milliseconds that times of steps count from; by default 0, so that they are Unix seconds. */
  readonly epochMs?: number;
  /** Unix milliseconds at which the library's clock stands still; by default it runs. */
  readonly frozenAtMs?: number;
  readonly sampling?: MockSampling;
  /** What the `_v3` process functions write: 24 bytes, or 32 as drivers 535.43 to 535.86 do. */
  readonly processEntryBytes?: 24 | 32;
  /** In NVML's order. The library keeps to those there were at its initialisation: one that goes is lost, one that comes is not seen. */
  readonly devices: readonly MockDevice[];
  readonly faults?: readonly MockFault[];
  /** All that ever happened: only ever add to it. */
  readonly events?: readonly MockEvent[];
}

export type Averaging = 'all-samples' | 'to-own-sample' | 'each-sample';

/** How the driver samples utilisation. */
export interface MockSampling {
  /** By default a sixth of a second, as real drivers have it. */
  readonly periodMicroseconds?: number;
  /** How far back samples are kept; by default 10 s. */
  readonly bufferMicroseconds?: number;
  /** How many entries a buffer for process utilisation needs at least; by default 100. */
  readonly capacity?: number;
  /**
   * Over what a process's share is the mean: over all samples newer than `lastSeen` (the default; what real drivers'
   * answers look like), up to the process's own last one, or one answer for each sample.
   */
  readonly averaging?: Averaging;
  /** true: the driver takes no samples while a device does nothing. */
  readonly skipsIdle?: boolean;
  /** What samples are stamped with: Unix time (the default), or the time since the machine was started. */
  readonly stamps?: 'unix' | 'uptime';
}

/** A GPU. What it leaves out is not supported. */
export interface MockDevice {
  readonly uuid: string;
  readonly name: string;
  readonly serial?: string;
  readonly vbiosVersion?: string;
  /** Such as `00000000:3B:00.0`. */
  readonly pciBusId?: string;
  readonly figures?: MockFigures;
  /** From now on everything about it answers 15. */
  readonly isLost?: boolean;
  /** Adds to `energyMillijoules` what `powerMilliwatts` amounts to since the epoch. */
  readonly energyFollowsPower?: boolean;
  /** Left out: no GPM. Metrics 1 and 2 follow from the processes where they are not given. */
  readonly gpm?: GpmMetrics;
  /** Values of nvmlDeviceGetFieldValues, in place of what the library makes of the figures. */
  readonly fields?: readonly MockField[];
  readonly retiredPages?: readonly MockRetiredPage[];
  readonly processes?: readonly MockProcess[];
  /** Samples that a driver should not give, added to those of the processes. */
  readonly garbageSamples?: readonly GarbageSample[];
  /** The first answers to too small buffers name fewer entries than there are, as if more came meanwhile. */
  readonly understated?: { readonly by: number; readonly times: number };
  /** Left out: MIG is not supported. */
  readonly mig?: MockMig;
}

/** Percentages and the like by the number of the metric. */
export type GpmMetrics = Readonly<Record<number, FigureSource>>;

export interface MockField {
  readonly id: number;
  /** By default 0. */
  readonly scope?: number;
  /** nvmlValueType_t; by default 1, an unsigned int. */
  readonly valueType?: number;
  readonly value: FigureSource;
}

export interface MockRetiredPage {
  readonly cause: 'single-bit' | 'double-bit';
  readonly address: number;
}

export type ProcessList = 'compute' | 'graphics' | 'mps';

/** A process with a context on a device. */
export interface MockProcess {
  readonly pid: number;
  /** null: the driver does not say. */
  readonly memoryBytes: number | null;
  /** By default in that of compute processes alone. */
  readonly lists?: readonly ProcessList[];
  /** Where the device is cut into MIG instances. */
  readonly instance?: InstanceIds;
  /** Its shares of the device in percent; by default 0. */
  readonly smPercent?: FigureSource;
  readonly memoryPercent?: FigureSource;
  readonly encoderPercent?: FigureSource;
  readonly decoderPercent?: FigureSource;
}

export interface InstanceIds {
  readonly gpuInstanceId: number;
  readonly computeInstanceId: number;
}

export interface GarbageSample {
  readonly pid: number;
  readonly smPercent: number;
  readonly memoryPercent?: number;
  readonly encoderPercent?: number;
  readonly decoderPercent?: number;
  /** Its time stamp: 0, the `lastSeen` of the client, or that of the newest sample. */
  readonly time: 'zero' | 'stale' | 'newest';
}

export interface MockMig {
  readonly isEnabled: boolean;
  /** By default as it is. */
  readonly isPending?: boolean;
  /** By default the slices of the largest profile. */
  readonly maxDevices?: number;
  /** What an index without an instance answers; by default 6, not found. */
  readonly holeError?: number;
  readonly profiles?: readonly MockProfile[];
  readonly instances?: readonly MockInstance[];
}

/** A size in which a GPU can be cut. */
export interface MockProfile {
  /** NVML_GPU_INSTANCE_PROFILE_…: 0 one slice, 1 two, 2 three, 3 four, 4 seven, 5 eight, 6 six. */
  readonly profile: number;
  /** As `nvidia-smi mig -lgip` numbers it. */
  readonly id: number;
  readonly slices: number;
  readonly maxInstances: number;
  readonly multiprocessors: number;
  readonly memoryMebibytes: number;
  readonly name: string;
}

/** A MIG device, which is one compute instance. */
export interface MockInstance extends InstanceIds {
  readonly index: number;
  readonly uuid: string;
  /** As NVML gives it: `NVIDIA A100-SXM4-40GB MIG 1g.5gb`. */
  readonly name: string;
  /** Of the GPU instance, and of this compute instance in it (by default all of them). */
  readonly gpuSlices: number;
  readonly computeSlices?: number;
  readonly multiprocessors?: number;
  readonly figures?: MockFigures;
  readonly gpm?: GpmMetrics;
}

/** A function that does not do what it should. */
export interface MockFault {
  /** The name of the function, or `*` for every one. */
  readonly symbol: string;
  /** For this device only (for a GPU: its instances too); by default for all, and for functions that have none. */
  readonly uuid?: string;
  /** An error code, or a call that comes back when the scenario has this fault no longer. */
  readonly answer: number | 'hang';
  /** How many calls work before; by default 0. */
  readonly skip?: number;
  /** How many calls fail; by default all from then on. */
  readonly times?: number;
  /** Calls are counted under this name for as long as it stands in the file; by default made of what the fault is about. */
  readonly key?: string;
}

/** Something that NVML tells of: an XID error, unless it says otherwise. */
export interface MockEvent {
  /** Greater than that of all before. */
  readonly sequence: number;
  readonly uuid: string;
  /** nvmlEventType…; by default 8, XidCriticalError. */
  readonly type?: number;
  /** The XID. */
  readonly data: number;
  readonly instance?: InstanceIds;
}

let written = 0;

/** Writes a scenario so that whoever reads the file has either the one before or this one. */
export function writeScenario(file: string, scenario: Scenario): void {
  written += 1;
  const temporary = `${file}.${process.pid}-${written}`;
  writeFileSync(temporary, scenarioText(scenario));
  renameSync(temporary, file);
}
