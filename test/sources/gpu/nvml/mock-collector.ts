import { afterEach, expect } from 'vitest';
import { type Collector, type Cycle, createCollector } from '../../../../agent/sources/gpu/nvml/collector.ts';
import type { KnownGpu } from '../../../../agent/sources/gpu/nvml/identity.ts';
import { loadNvml } from '../../../../agent/sources/gpu/nvml/library.ts';
import { parseDeviceUuid } from '../../../../agent/sources/gpu/reading.ts';
import type { DeviceUuid, GpuDeviceReading, GpuReading } from '../../../../agent/sources/gpu/reading.ts';
import { type MockLibraryOptions, buildMockLibrary } from '../../../gpu/mock-library.ts';
import type { Scenario } from '../../../gpu/scenario.ts';
import { type MockMachine, buildMockBefore, createMockMachine } from './mock-machine.ts';

export interface MockCollectorOptions extends MockLibraryOptions {
  readonly known?: readonly KnownGpu[];
  readonly isRunning?: (pid: number) => boolean;
}

/** The helper's own collector in this process, on a mock NVML whose clock stands where the test puts it. */
export interface MockCollector extends Pick<MockMachine, 'status'> {
  readonly collector: Collector;
  /** Lets so many seconds pass, with another scenario if there is one, and reads. */
  after(seconds: number, scenario?: Scenario): Cycle;
  /** The same where a reading is expected. */
  read(seconds: number, scenario?: Scenario): GpuReading;
  dispose(): void;
}

/** When the mock's clock starts: Unix milliseconds, and the machine's time since boot. */
export const startUnixMs = 1_800_000_000_000;
const startUptimeMs = 5_000_000;

/** For the tests of one file: what starts a collector for one test. It reads once a second, as far as it knows. */
export function useMockCollector(): (
  scenario: Scenario,
  options?: MockCollectorOptions,
) => Promise<MockCollector> {
  let started: MockCollector[] = [];
  buildMockBefore();
  afterEach(() => {
    for (const each of started) each.dispose();
    started = [];
  });
  return async (scenario, options = {}) => {
    const collector = await start(scenario, options);
    started.push(collector);
    return collector;
  };
}

async function start(scenario: Scenario, options: MockCollectorOptions): Promise<MockCollector> {
  const machine = createMockMachine(scenario);
  const loaded = await loadNvml(buildMockLibrary(options));
  if (loaded.kind === 'unloadable') throw new Error(loaded.reason);
  const collector = createCollector({
    ...loaded,
    intervalMs: 1_000,
    known: options.known ?? [],
    pidMax: 4_194_304,
    isRunning: options.isRunning ?? (() => true),
    onOpen: () => undefined,
    onOpened: () => undefined,
  });
  let seconds = 0;
  let told = scenario;
  const after = (passed: number, next?: Scenario): Cycle => {
    seconds += passed;
    told = next ?? told;
    const ms = seconds * 1000;
    machine.say({ epochMs: startUnixMs, ...told, frozenAtMs: Math.round(startUnixMs + ms) });
    return collector.cycle({ monotonicMs: startUptimeMs + ms, unixMs: startUnixMs + ms });
  };
  return {
    status: () => machine.status(),
    collector,
    after,
    read: (passed, next) => readingOf(after(passed, next)),
    dispose() {
      // A fault in the scenario must not keep the library from being shut down.
      machine.say({ devices: [] });
      collector.close();
      machine.dispose();
    },
  };
}

function readingOf(cycle: Cycle): GpuReading {
  if (cycle.kind !== 'reading') throw new Error(`no reading: ${cycle.reason}`);
  return cycle.reading;
}

/** The device with this UUID. */
export function deviceOf(reading: GpuReading, uuid: string): GpuDeviceReading {
  const found = reading.devices.find((device) => device.uuid === uuid);
  if (found === undefined) throw new Error(`no device ${uuid}`);
  return found;
}

/** The only device. */
export function onlyDevice(reading: GpuReading): GpuDeviceReading {
  expect(reading.devices).toHaveLength(1);
  const [device] = reading.devices;
  if (device === undefined) throw new Error('no device');
  return device;
}

export function deviceUuid(text: string): DeviceUuid {
  const uuid = parseDeviceUuid(text);
  if (uuid === null) throw new Error(`not a UUID: ${text}`);
  return uuid;
}
