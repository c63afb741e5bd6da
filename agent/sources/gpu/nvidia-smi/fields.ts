import type { FigureName } from '../reading.ts';
import { type ReadValue, bytes, celsius, count, flag, hertz, oneOf, ratio, watts } from './values.ts';

/** Where nvidia-smi has a figure. */
interface FigureField {
  readonly figure: FigureName;
  /** The name that drivers of today know it by, then those of older ones. */
  readonly names: readonly string[];
  readonly read: ReadValue;
}

/** `gpu_recovery_action`, numbered as NVML does; actions that came after 4 have no number here. */
const recoveryActions: ReadonlyMap<string, number> = new Map([
  ['none', 0],
  ['reset', 1],
  ['gpu reset', 1],
  ['reboot', 2],
  ['node reboot', 2],
  ['drain p2p', 3],
  ['drain and reset', 4],
]);
const performanceStates: ReadonlyMap<string, number> = new Map(
  Array.from({ length: 16 }, (_, state) => [`p${state}`, state]),
);

/**
 * The figures that `--query-gpu` has. `memory.used` is passed on as it stands: since driver 510 it leaves out what the
 * driver keeps for itself, which then has a field of its own; before, the driver did not tell the two apart.
 */
export const figureFields: readonly FigureField[] = [
  { figure: 'utilizationRatio', names: ['utilization.gpu'], read: ratio() },
  { figure: 'memoryBandwidthRatio', names: ['utilization.memory'], read: ratio() },
  { figure: 'encoderUtilizationRatio', names: ['utilization.encoder'], read: ratio() },
  { figure: 'decoderUtilizationRatio', names: ['utilization.decoder'], read: ratio() },
  { figure: 'memoryTotalBytes', names: ['memory.total'], read: bytes },
  { figure: 'memoryUsedBytes', names: ['memory.used'], read: bytes },
  { figure: 'memoryReservedBytes', names: ['memory.reserved'], read: bytes },
  { figure: 'temperatureCelsius', names: ['temperature.gpu'], read: celsius },
  { figure: 'memoryTemperatureCelsius', names: ['temperature.memory'], read: celsius },
  { figure: 'powerWatts', names: ['power.draw'], read: watts },
  { figure: 'powerLimitWatts', names: ['enforced.power.limit', 'gpu.power.current_limit'], read: watts },
  { figure: 'graphicsClockHertz', names: ['clocks.current.graphics', 'clocks.gr'], read: hertz },
  { figure: 'smClockHertz', names: ['clocks.current.sm', 'clocks.sm'], read: hertz },
  { figure: 'memoryClockHertz', names: ['clocks.current.memory', 'clocks.mem'], read: hertz },
  { figure: 'videoClockHertz', names: ['clocks.current.video', 'clocks.video'], read: hertz },
  // "This value may exceed 100% in certain cases", says --help-query-gpu.
  { figure: 'fanSpeedRatio', names: ['fan.speed'], read: ratio(2) },
  { figure: 'performanceState', names: ['pstate'], read: oneOf(performanceStates) },
  { figure: 'eccCorrectedErrors', names: ['ecc.errors.corrected.aggregate.total'], read: count },
  { figure: 'eccUncorrectedErrors', names: ['ecc.errors.uncorrected.aggregate.total'], read: count },
  {
    figure: 'remappedRowsCorrectable',
    names: ['remapped_rows.correctable', 'remapped_rows.sbe'],
    read: count,
  },
  {
    figure: 'remappedRowsUncorrectable',
    names: ['remapped_rows.uncorrectable', 'remapped_rows.dbe'],
    read: count,
  },
  { figure: 'remappedRowsPending', names: ['remapped_rows.pending'], read: flag },
  { figure: 'remappedRowsFailed', names: ['remapped_rows.failure'], read: flag },
  { figure: 'pcieGeneration', names: ['pcie.link.gen.gpucurrent', 'pcie.link.gen.current'], read: count },
  { figure: 'pcieGenerationMax', names: ['pcie.link.gen.max'], read: count },
  { figure: 'pcieWidth', names: ['pcie.link.width.current'], read: count },
  { figure: 'pcieWidthMax', names: ['pcie.link.width.max'], read: count },
  { figure: 'recoveryAction', names: ['gpu_recovery_action'], read: oneOf(recoveryActions) },
];

/** What else is asked of a GPU, by the names it has had. */
export const identityFields = {
  index: ['index'],
  uuid: ['uuid', 'gpu_uuid'],
  busId: ['pci.bus_id', 'gpu_bus_id'],
  name: ['name', 'gpu_name'],
  driverVersion: ['driver_version'],
  migMode: ['mig.mode.current'],
  /** A bit mask; the driver's word for what slows it down changed in 535. */
  clockEvents: ['clocks_event_reasons.active', 'clocks_throttle_reasons.active'],
} as const satisfies Record<string, readonly string[]>;

/** The names of properties in what `nvidia-smi --help-query-gpu` prints: `"name" or "gpu_name"`, each at a line's start. */
export function parseHelp(text: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const line of text.split('\n')) {
    if (!/^"[\w.]+"(?: or "[\w.]+")*\s*$/.test(line)) continue;
    for (const [, name = ''] of line.matchAll(/"([\w.]+)"/g)) names.add(name);
  }
  return names;
}

/**
 * What to ask a driver for that knows these properties: one that it does not know would fail the whole query. Those
 * that say which GPU a line is about come first, left of all that may be free text. null where they are missing.
 */
export function chooseFields(known: ReadonlySet<string>): readonly string[] | null {
  const { index, uuid, busId, name, ...rest } = identityFields;
  const chosen = [
    index,
    uuid,
    busId,
    ...Object.values(rest),
    ...figureFields.map(({ names }) => names),
    name,
  ].flatMap((names) => names.find((one) => known.has(one)) ?? []);
  return [index, uuid].every((names) => names.some((one) => known.has(one))) ? chosen : null;
}
