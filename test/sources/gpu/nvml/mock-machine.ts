import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll } from 'vitest';
import { buildMockLibrary } from '../../../gpu/mock-library.ts';
import { type MockStatus, readMockStatus } from '../../../gpu/mock-status.ts';
import { type Scenario, writeScenario } from '../../../gpu/scenario.ts';
import { findPart } from '../../../parts/parts.ts';

/** What the mock NVML of this process and its children reads and writes, in a folder of its own. */
export interface MockMachine {
  readonly folder: string;
  say(scenario: Scenario): void;
  status(): MockStatus;
  dispose(): void;
}

/** How long building the mock may take on a busy machine. */
const buildLimitMs = 60_000;

/** Before the tests of a file, so that none of them waits for the compiler. */
export function buildMockBefore(): void {
  beforeAll(() => {
    if (findPart('gcc') !== undefined) buildMockLibrary();
  }, buildLimitMs);
}

export function createMockMachine(scenario: Scenario): MockMachine {
  const folder = mkdtempSync(join(tmpdir(), 'gpuwarden-nvml-'));
  const scenarioFile = join(folder, 'scenario');
  const statusFile = join(folder, 'status');
  writeScenario(scenarioFile, scenario);
  process.env['NVML_MOCK_SCENARIO'] = scenarioFile;
  process.env['NVML_MOCK_STATUS'] = statusFile;
  return {
    folder,
    say: (next) => writeScenario(scenarioFile, next),
    status: () => readMockStatus(statusFile),
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}
