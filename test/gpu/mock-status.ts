import { existsSync, readFileSync } from 'node:fs';

/** What a process does with the mock NVML. */
export interface MockHolder {
  readonly pid: number;
  /** How often it has initialised the library without shutting it down. */
  readonly references: number;
  /** The function that it is in, if any: what hangs, for one. */
  readonly calling: string | null;
  /** What it has not given back. */
  readonly eventSets: number;
  readonly gpmSamples: number;
}

/** What the mock NVML noted in the file that NVML_MOCK_STATUS names, over all processes since the file was made. */
export interface MockStatus {
  /** How often each function was called, those only that were. */
  readonly calls: ReadonlyMap<string, number>;
  /** The processes that have the library loaded and live. */
  readonly holders: readonly MockHolder[];
}

const magic = 'NVMLMOCK';
const headerBytes = 24;
const holderBytes = 32;
const counterBytes = 64;
const counterNameBytes = 56;

/** Reads the status file. One that is not there yet says that nothing was called. */
export function readMockStatus(file: string): MockStatus {
  if (!existsSync(file)) return { calls: new Map(), holders: [] };
  const bytes = readFileSync(file);
  if (bytes.length < headerBytes || bytes.toString('latin1', 0, magic.length) !== magic) {
    throw new Error(`${file} is not a status file of the mock NVML`);
  }
  const symbols = bytes.readUInt32LE(12);
  const holders = bytes.readUInt32LE(16);
  const counters = headerBytes + holders * holderBytes;
  const names: string[] = [];
  const calls = new Map<string, number>();
  for (let index = 0; index < symbols; index += 1) {
    const at = counters + index * counterBytes;
    const name = textAt(bytes, at, counterNameBytes);
    const count = Number(bytes.readBigUInt64LE(at + counterNameBytes));
    names.push(name);
    if (count > 0) calls.set(name, count);
  }
  const all = Array.from({ length: holders }, (_, index) => headerBytes + index * holderBytes);
  return { calls, holders: all.flatMap((at) => readHolder(bytes, at, names)) };
}

/** How often all functions together were called. */
export function countCalls(status: MockStatus): number {
  return [...status.calls.values()].reduce((sum, count) => sum + count, 0);
}

/** Whether any living process has the library initialised, so that the driver could not be changed. */
export function isNvmlHeld(status: MockStatus): boolean {
  return status.holders.some(({ references }) => references > 0);
}

function readHolder(bytes: Buffer, at: number, names: readonly string[]): readonly MockHolder[] {
  const pid = bytes.readUInt32LE(at);
  const hasLeft = bytes.readUInt32LE(at + 12) !== 0;
  if (pid === 0 || hasLeft || !isAlive(pid)) return [];
  const calling = bytes.readUInt32LE(at + 8);
  return [
    {
      pid,
      references: bytes.readUInt32LE(at + 4),
      calling: calling === 0 ? null : (names[calling - 1] ?? null),
      eventSets: bytes.readUInt32LE(at + 16),
      gpmSamples: bytes.readUInt32LE(at + 20),
    },
  ];
}

/** A zombie has given back all that it had. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

function textAt(bytes: Buffer, at: number, length: number): string {
  const end = bytes.indexOf(0, at);
  return bytes.toString('latin1', at, Math.min(end, at + length));
}
