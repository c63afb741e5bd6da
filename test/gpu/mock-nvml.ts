import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll } from 'vitest';
import { findPart } from '../parts/parts.ts';
import { type MockLibraryOptions, buildMockLibrary } from './mock-library.ts';
import { type MockStatus, readMockStatus } from './mock-status.ts';
import { type RawNvml, loadRawNvml } from './raw-nvml.ts';
import { type Scenario, writeScenario } from './scenario.ts';

/** A mock NVML in this process, with a scenario and a status file of its own. */
export interface MockNvml extends RawNvml {
  readonly library: string;
  readonly folder: string;
  readonly scenarioFile: string;
  /** Writes another scenario. */
  say(scenario: Scenario): void;
  status(): MockStatus;
  /** Initialises the library; the code is nvmlInit_v2's. */
  init(): number;
  /** The handle of the device with this index. */
  device(index: number): bigint;
  /** Shuts the library down as often as it was initialised, and takes the files away. */
  dispose(): void;
}

/** More often than any test initialises the library. */
const mostReferences = 100;
/** How long building may take on a busy machine. */
const buildLimitMs = 60_000;

/**
 * For the tests of one file: builds the mock before them, and clears away after each.
 *
 * @returns what loads it for one test, with a scenario, not initialised
 */
export function useMockNvml(): (scenario: Scenario, options?: MockLibraryOptions) => MockNvml {
  let started: MockNvml | null = null;
  beforeAll(() => {
    if (findPart('gcc') !== undefined) buildMockLibrary();
  }, buildLimitMs);
  afterEach(() => {
    started?.dispose();
    started = null;
  });
  return (scenario, options) => {
    started = startMockNvml(scenario, options);
    return started;
  };
}

function startMockNvml(scenario: Scenario, options: MockLibraryOptions = {}): MockNvml {
  const library = buildMockLibrary(options);
  const folder = mkdtempSync(path.join(tmpdir(), 'gw-nvml-'));
  const scenarioFile = path.join(folder, 'scenario');
  const statusFile = path.join(folder, 'status');
  writeScenario(scenarioFile, scenario);
  process.env['NVML_MOCK_SCENARIO'] = scenarioFile;
  process.env['NVML_MOCK_STATUS'] = statusFile;
  const raw = loadRawNvml(library);
  return {
    ...raw,
    library,
    folder,
    scenarioFile,
    say: (next) => writeScenario(scenarioFile, next),
    status: () => readMockStatus(statusFile),
    init: () => raw.call('nvmlInit_v2'),
    device: (index) => raw.handle('nvmlDeviceGetHandleByIndex_v2', index),
    dispose() {
      // A fault in the scenario must not keep the library from being shut down.
      writeScenario(scenarioFile, { devices: [] });
      let left = mostReferences;
      while (left > 0 && raw.call('nvmlShutdown') === 0) left -= 1;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
