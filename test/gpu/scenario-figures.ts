/** A number that changes at given times. */
export interface Steps {
  /** From when on, in seconds after the scenario's epoch, the figure has which value; in the order of time. Before the first it is 0. */
  readonly steps: readonly (readonly [atSeconds: number, value: number])[];
  /** The steps begin again every so many seconds, from the epoch on. */
  readonly everySeconds?: number;
}

/** Where a figure comes from: always the same, by the time, or nowhere (a code of nvmlReturn_t). */
export type FigureSource = number | Steps | { readonly error: number };

/** What can be said of a GPU or a MIG instance as one number each; the list is nvml-mock/figures.h's. */
export const mockFigureNames = [
  /** The N of /dev/nvidiaN. */
  'minorNumber',
  /** 7 Ampere, 8 Ada, 9 Hopper. */
  'architecture',
  'computeCapabilityMajor',
  'computeCapabilityMinor',
  'memoryTotalBytes',
  /** Without what the driver reserves, as nvmlDeviceGetMemoryInfo_v2 has it; that of v1 includes it. */
  'memoryUsedBytes',
  /** By default 0. */
  'memoryReservedBytes',
  'bar1TotalBytes',
  'bar1UsedBytes',
  /** Left out, these four follow from the processes: the sum of their shares, at most 100. */
  'utilizationGpuPercent',
  'utilizationMemoryPercent',
  'utilizationEncoderPercent',
  'utilizationDecoderPercent',
  'temperatureCelsius',
  /** Field 82. */
  'memoryTemperatureCelsius',
  /** nvmlDeviceGetTemperatureThreshold 0, 1, 2 and 3. */
  'thresholdShutdownCelsius',
  'thresholdSlowdownCelsius',
  'thresholdMemoryMaxCelsius',
  'thresholdGpuMaxCelsius',
  'powerMilliwatts',
  /** The enforced one. */
  'powerLimitMilliwatts',
  'powerManagementLimitMilliwatts',
  'energyMillijoules',
  'clockGraphicsMegahertz',
  'clockSmMegahertz',
  'clockMemoryMegahertz',
  'clockVideoMegahertz',
  'maxClockGraphicsMegahertz',
  'maxClockSmMegahertz',
  'maxClockMemoryMegahertz',
  'maxClockVideoMegahertz',
  'fanSpeedPercent',
  'performanceState',
  'computeMode',
  'persistenceMode',
  /** A mask. */
  'clocksEventReasons',
  'eccMode',
  'eccModePending',
  'eccCorrectedVolatile',
  'eccUncorrectedVolatile',
  'eccCorrectedAggregate',
  'eccUncorrectedAggregate',
  'remappedCorrectable',
  'remappedUncorrectable',
  'remappedPending',
  'remappedFailure',
  'remapBanksMax',
  'remapBanksHigh',
  'remapBanksPartial',
  'remapBanksLow',
  'remapBanksNone',
  /** Left out, the device knows of no retired pages either. */
  'retiredPagesPending',
  'pcieGeneration',
  'pcieGenerationMax',
  'pcieWidth',
  'pcieWidthMax',
  'pcieReplays',
  'pcieTransmitKilobytesPerSecond',
  'pcieReceiveKilobytesPerSecond',
  /** Fields 197 and 198. */
  'pcieTransmitBytes',
  'pcieReceiveBytes',
  /** How many links there are, all of them active. */
  'nvlinkLinks',
  'nvlinkErrors',
  /** Of all links together; fields 138 and 139. */
  'nvlinkTransmitKibibytes',
  'nvlinkReceiveKibibytes',
  /** Field 230. */
  'recoveryAction',
  /** The mask of events that can be registered for; 8 are XID errors. */
  'supportedEvents',
  /** Only as an error: what the three lists of processes answer. */
  'processLists',
  /** Only as an error: what nvmlDeviceGetProcessUtilization answers. */
  'processUtilization',
] as const;

export type FigureName = (typeof mockFigureNames)[number];

export type MockFigures = Readonly<Partial<Record<FigureName, FigureSource>>>;

/** A figure in the words of a scenario's file. */
export function figureText(source: FigureSource): string {
  if (typeof source === 'number') return finite(source);
  if ('error' in source) return `error ${finite(source.error)}`;
  const { steps, everySeconds = 0 } = source;
  for (const [index, [atSeconds]] of steps.entries()) {
    const before = steps[index - 1]?.[0] ?? Number.NEGATIVE_INFINITY;
    if (atSeconds <= before)
      throw new Error(`steps that are not in the order of time: ${JSON.stringify(steps)}`);
    if (everySeconds > 0 && (atSeconds < 0 || atSeconds >= everySeconds)) {
      throw new Error(`a step at ${atSeconds} s of a period of ${everySeconds} s`);
    }
  }
  return ['steps', finite(everySeconds), steps.length, ...steps.flat().map(finite)].join(' ');
}

function finite(value: number): string {
  if (!Number.isFinite(value)) throw new Error(`not a number for a scenario: ${value}`);
  return String(value);
}
