import type {
  Averaging,
  GarbageSample,
  GpmMetrics,
  InstanceIds,
  MockDevice,
  MockEvent,
  MockFault,
  MockInstance,
  MockMig,
  MockProcess,
  MockSampling,
  ProcessList,
  Scenario,
} from './scenario.ts';
import { type FigureSource, type MockFigures, figureText } from './scenario-figures.ts';

/** A scenario in the form that the library reads: lines of words. */
export function scenarioText(scenario: Scenario): string {
  const statements = [
    ['nvml-mock', 1],
    ['driver', text(scenario.driverVersion ?? '570.133.20')],
    ['nvml', text(scenario.nvmlVersion ?? '12.570.133.20')],
    ['cuda', whole(scenario.cudaVersion ?? 12_080)],
    ['init', whole(scenario.initError ?? 0)],
    ['epoch', microseconds(scenario.epochMs ?? 0)],
    ['frozen', microseconds(scenario.frozenAtMs ?? 0)],
    ['process-entry', scenario.processEntryBytes ?? 24],
    samplingStatement(scenario.sampling),
    ...(scenario.faults ?? []).map(faultStatement),
    ...(scenario.events ?? []).map(eventStatement),
    ...scenario.devices.flatMap(deviceStatements),
    ['end'],
  ];
  return `${statements.map((words) => words.join(' ')).join('\n')}\n`;
}

type Statement = readonly (string | number)[];

const averagings: Readonly<Record<Averaging, number>> = {
  'all-samples': 0,
  'to-own-sample': 1,
  'each-sample': 2,
};

function samplingStatement(sampling: MockSampling = {}): Statement {
  const { periodMicroseconds = 166_667, bufferMicroseconds = 10_000_000, capacity = 100 } = sampling;
  const { averaging = 'all-samples', skipsIdle = false, stamps = 'unix' } = sampling;
  return [
    'sampling',
    ...[periodMicroseconds, bufferMicroseconds, capacity].map(whole),
    averagings[averaging],
    skipsIdle ? 1 : 0,
    stamps === 'uptime' ? 1 : 0,
  ];
}

function faultStatement(fault: MockFault): Statement {
  const { symbol, uuid = '*', answer, skip = 0, times = 0 } = fault;
  const key = fault.key ?? `${symbol}/${uuid.slice(-12)}/${answer}`;
  return ['fault', word(key), word(symbol), word(uuid), answer, whole(skip), whole(times)];
}

function eventStatement({ sequence, uuid, type = 8, data, instance }: MockEvent): Statement {
  return ['event', whole(sequence), word(uuid), whole(type), whole(data), ...instanceIds(instance)];
}

function deviceStatements(device: MockDevice): readonly Statement[] {
  const { serial, vbiosVersion, pciBusId, understated } = device;
  return [
    ['device'],
    ['uuid', word(device.uuid)],
    ['name', text(device.name)],
    ...optional(serial, (value) => ['serial', text(value)]),
    ...optional(vbiosVersion, (value) => ['vbios', text(value)]),
    ...optional(pciBusId, (value) => ['bus-id', text(value)]),
    ...figureStatements(device.figures),
    ...gpmStatements(device.gpm),
    ...(device.gpm === undefined ? [] : [['gpm-supported']]),
    ...(device.isLost === true ? [['lost']] : []),
    ...(device.energyFollowsPower === true ? [['energy-follows-power']] : []),
    ...optional(understated, ({ by, times }) => ['understate', whole(by), whole(times)]),
    ...(device.fields ?? []).map(({ id, scope = 0, valueType = 1, value }) => [
      'field',
      whole(id),
      whole(scope),
      whole(valueType),
      figureText(value),
    ]),
    ...(device.retiredPages ?? []).map(({ cause, address }) => [
      'retired',
      cause === 'single-bit' ? 0 : 1,
      whole(address),
    ]),
    ...(device.processes ?? []).flatMap(processStatements),
    ...(device.garbageSamples ?? []).map(garbageStatement),
    ...(device.mig === undefined ? [] : migStatements(device.mig)),
  ];
}

function figureStatements(figures: MockFigures = {}): readonly Statement[] {
  return Object.entries(figures).map(([name, value]: [string, FigureSource]) => [
    'figure',
    word(name),
    figureText(value),
  ]);
}

function gpmStatements(metrics: GpmMetrics = {}): readonly Statement[] {
  return Object.entries(metrics).map(([id, value]) => ['gpm', whole(Number(id)), figureText(value)]);
}

const listBits: Readonly<Record<ProcessList, number>> = { compute: 1, graphics: 2, mps: 4 };

function processStatements(process: MockProcess): readonly Statement[] {
  const { pid, memoryBytes, lists = ['compute'], instance } = process;
  const bits = lists.reduce((sum, list) => sum | listBits[list], 0);
  const shares = [
    ['sm', process.smPercent],
    ['memory', process.memoryPercent],
    ['encoder', process.encoderPercent],
    ['decoder', process.decoderPercent],
  ] as const;
  return [
    [
      'process',
      whole(pid),
      memoryBytes === null ? 'unknown' : whole(memoryBytes),
      bits,
      ...instanceIds(instance),
    ],
    ...shares.flatMap(([kind, value]) => optional(value, (share) => ['share', kind, figureText(share)])),
  ];
}

function garbageStatement(sample: GarbageSample): Statement {
  const { pid, smPercent, memoryPercent = 0, encoderPercent = 0, decoderPercent = 0, time } = sample;
  return ['garbage', ...[pid, smPercent, memoryPercent, encoderPercent, decoderPercent].map(whole), time];
}

function migStatements(mig: MockMig): readonly Statement[] {
  const { isEnabled, isPending = isEnabled, holeError = 6, profiles = [], instances = [] } = mig;
  const maxDevices = mig.maxDevices ?? Math.max(0, ...profiles.map(({ slices }) => slices));
  return [
    ['mig', isEnabled ? 1 : 0, isPending ? 1 : 0, whole(maxDevices), whole(holeError)],
    ...profiles.map((profile) => [
      'profile',
      whole(profile.profile),
      whole(profile.id),
      whole(profile.slices),
      whole(profile.maxInstances),
      whole(profile.multiprocessors),
      whole(profile.memoryMebibytes),
      text(profile.name),
    ]),
    ...instances.flatMap(instanceStatements),
  ];
}

function instanceStatements(instance: MockInstance): readonly Statement[] {
  const { index, gpuSlices, computeSlices = gpuSlices, multiprocessors = 14 * computeSlices } = instance;
  const places = [index, instance.gpuInstanceId, instance.computeInstanceId];
  return [
    ['instance', ...[...places, gpuSlices, computeSlices, multiprocessors].map(whole)],
    ['uuid', word(instance.uuid)],
    ['name', text(instance.name)],
    ...figureStatements(instance.figures),
    ...gpmStatements(instance.gpm),
  ];
}

const noInstance = 0xffff_ffff;

function instanceIds(instance: InstanceIds | undefined): readonly number[] {
  return [whole(instance?.gpuInstanceId ?? noInstance), whole(instance?.computeInstanceId ?? noInstance)];
}

function optional<Value>(
  value: Value | undefined,
  statement: (value: Value) => Statement,
): readonly Statement[] {
  return value === undefined ? [] : [statement(value)];
}

function microseconds(milliseconds: number): number {
  return whole(Math.round(milliseconds * 1000));
}

function whole(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new Error(`not a whole number for a scenario: ${value}`);
  return value;
}

function text(value: string): string {
  if (value.length >= 96 || /[\0\n]/.test(value)) throw new Error(`not a text for a scenario: ${value}`);
  return value;
}

function word(value: string): string {
  if (value === '' || value.includes(' ')) throw new Error(`not a word for a scenario: ${value}`);
  return text(value);
}
