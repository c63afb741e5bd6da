import { allUnavailable, clockEventReasons } from '../reading.ts';
import type { ClockEventReason, Figure, FigureName, Unavailability } from '../reading.ts';
import { codes, meansOtherVersion } from './codes.ts';
import { allFields, quickFields, readFields } from './fields.ts';
import { type Health, failed } from './health.ts';
import {
  allocate,
  clear,
  readInt32,
  readUint32,
  readUint64,
  temperature,
  utilization,
  writeUint32,
} from './layouts.ts';
import type { NvmlCalls } from './library.ts';
import { createMemoryReader } from './memory.ts';

/** The figures of one GPU, as long as its handle is good. */
export interface FigureReader {
  /** Changed in place by `read`. */
  readonly figures: Readonly<Record<FigureName, Figure>>;
  readonly clockEvents: readonly ClockEventReason[] | Unavailability;
  /** @param slow also what changes seldom or takes the driver long */
  read(slow: boolean): void;
}

type FigureCall = ((handle: bigint, out: DataView) => number) | null;

const out = allocate(8);
const more = [allocate(4), allocate(4), allocate(4), allocate(4)] as const;
const utilizationOut = allocate(utilization.bytes);
const temperatureOut = allocate(temperature.bytes);

type Scale = (value: number) => number;
const asIs: Scale = (value) => value;
const percent: Scale = (value) => value / 100;
const milli: Scale = (value) => value / 1000;
const megahertz: Scale = (value) => value * 1e6;

/** `nvmlClockType_t`. */
const clocks = { graphics: 0, sm: 1, memory: 2, video: 3 } as const;
/** `NVML_TEMPERATURE_THRESHOLD_SLOWDOWN`. Ada and later have margins instead, which are no temperatures. */
const slowdown = 1;
/** `nvmlMemoryErrorType_t` and `nvmlEccCounterType_t`. */
const ecc = { corrected: 0, uncorrected: 1, aggregate: 1 } as const;
const worstPerformanceState = 15;

export function createFigureReader(calls: NvmlCalls, handle: bigint, health: Health): FigureReader {
  // Looked up once: in each cycle of each GPU it would cost more than the calls.
  const {
    nvmlDeviceGetUtilizationRates: utilizationRates,
    nvmlDeviceGetEncoderUtilization: encoderUtilization,
    nvmlDeviceGetDecoderUtilization: decoderUtilization,
    nvmlDeviceGetTemperature: temperatureOlder,
    nvmlDeviceGetTemperatureV: temperatureNewer,
    nvmlDeviceGetPowerUsage: powerUsage,
    nvmlDeviceGetTotalEnergyConsumption: energyConsumption,
    nvmlDeviceGetClockInfo: clockInfo,
    nvmlDeviceGetPerformanceState: performanceStateOf,
    nvmlDeviceGetCurrentClocksEventReasons: eventReasons,
    nvmlDeviceGetCurrentClocksThrottleReasons: throttleReasons,
    nvmlDeviceGetFieldValues: fieldValues,
  } = calls;
  const readMemory = createMemoryReader(calls);
  const figures = allUnavailable('unsupported');
  let clockEvents: readonly ClockEventReason[] | Unavailability = 'unsupported';

  return {
    figures,
    get clockEvents() {
      return clockEvents;
    },
    read(slow) {
      readUtilization();
      Object.assign(figures, readMemory(handle, health));
      figures.temperatureCelsius = readTemperature();
      figures.powerWatts = uint(powerUsage, milli);
      figures.energyJoules = readEnergy();
      figures.graphicsClockHertz = clock(clocks.graphics);
      figures.smClockHertz = clock(clocks.sm);
      figures.memoryClockHertz = clock(clocks.memory);
      figures.videoClockHertz = clock(clocks.video);
      figures.performanceState = performanceState();
      clockEvents = readClockEvents();
      if (slow) readSlow();
      readFields(fieldValues, handle, slow ? allFields : quickFields, figures, health);
    },
  };

  function readSlow(): void {
    figures.powerLimitWatts = uint(calls.nvmlDeviceGetEnforcedPowerLimit, milli);
    figures.slowdownTemperatureCelsius = with1(calls.nvmlDeviceGetTemperatureThreshold, slowdown, asIs);
    figures.fanSpeedRatio = uint(calls.nvmlDeviceGetFanSpeed, percent);
    figures.eccCorrectedErrors = eccErrors(ecc.corrected);
    figures.eccUncorrectedErrors = eccErrors(ecc.uncorrected);
    figures.pcieGeneration = uint(calls.nvmlDeviceGetCurrPcieLinkGeneration, asIs);
    figures.pcieGenerationMax = uint(calls.nvmlDeviceGetMaxPcieLinkGeneration, asIs);
    figures.pcieWidth = uint(calls.nvmlDeviceGetCurrPcieLinkWidth, asIs);
    figures.pcieReplays = uint(calls.nvmlDeviceGetPcieReplayCounter, asIs);
    figures.pcieWidthMax = uint(calls.nvmlDeviceGetMaxPcieLinkWidth, asIs);
    readRemappedRows();
  }

  function readUtilization(): void {
    const code =
      utilizationRates === null ? codes.functionNotFound : utilizationRates(handle, utilizationOut);
    const known = code === codes.success;
    const why = known ? null : failed(code, health);
    figures.utilizationRatio = why ?? percent(readUint32(utilizationOut, utilization.gpu));
    figures.memoryBandwidthRatio = why ?? percent(readUint32(utilizationOut, utilization.memory));
    figures.encoderUtilizationRatio = engine(encoderUtilization);
    figures.decoderUtilizationRatio = engine(decoderUtilization);
  }

  function engine(call: ((handle: bigint, out: DataView, periodUs: DataView) => number) | null): Figure {
    return answer(call === null ? codes.functionNotFound : call(handle, out, more[0]), percent);
  }

  function readTemperature(): Figure {
    const code = temperatureOlder === null ? codes.functionNotFound : temperatureOlder(handle, 0, out);
    if (temperatureNewer === null || !meansOtherVersion(code)) return answer(code, asIs);
    clear(temperatureOut);
    writeUint32(temperatureOut, temperature.version);
    const newerCode = temperatureNewer(handle, temperatureOut);
    return newerCode === codes.success
      ? readInt32(temperatureOut, temperature.celsius)
      : failed(newerCode, health);
  }

  function readEnergy(): Figure {
    const code = energyConsumption === null ? codes.functionNotFound : energyConsumption(handle, out);
    return code === codes.success ? milli(readUint64(out)) : failed(code, health);
  }

  function clock(type: number): Figure {
    return with1(clockInfo, type, megahertz);
  }

  /** NVML_PSTATE_UNKNOWN is 32. */
  function performanceState(): Figure {
    const state = uint(performanceStateOf, asIs);
    return typeof state === 'number' && state > worstPerformanceState ? 'unsupported' : state;
  }

  function readClockEvents(): readonly ClockEventReason[] | Unavailability {
    let code = eventReasons === null ? codes.functionNotFound : eventReasons(handle, out);
    if (throttleReasons !== null && meansOtherVersion(code)) code = throttleReasons(handle, out);
    if (code !== codes.success) return failed(code, health);
    const bits = readUint32(out);
    return clockEventReasons.filter((_, index) => (bits & (1 << index)) !== 0);
  }

  function eccErrors(type: number): Figure {
    const { nvmlDeviceGetTotalEccErrors: call } = calls;
    const code = call === null ? codes.functionNotFound : call(handle, type, ecc.aggregate, out);
    return code === codes.success ? readUint64(out) : failed(code, health);
  }

  function readRemappedRows(): void {
    const { nvmlDeviceGetRemappedRows: call } = calls;
    const [correctable, uncorrectable, pending, failure] = more;
    const code =
      call === null ? codes.functionNotFound : call(handle, correctable, uncorrectable, pending, failure);
    const why = code === codes.success ? null : failed(code, health);
    figures.remappedRowsCorrectable = why ?? readUint32(correctable);
    figures.remappedRowsUncorrectable = why ?? readUint32(uncorrectable);
    figures.remappedRowsPending = why ?? readUint32(pending);
    figures.remappedRowsFailed = why ?? readUint32(failure);
  }

  function uint(call: FigureCall, scale: Scale): Figure {
    return answer(call === null ? codes.functionNotFound : call(handle, out), scale);
  }

  function with1(
    call: ((handle: bigint, type: number, out: DataView) => number) | null,
    type: number,
    scale: Scale,
  ): Figure {
    return answer(call === null ? codes.functionNotFound : call(handle, type, out), scale);
  }

  function answer(code: number, scale: Scale): Figure {
    return code === codes.success ? scale(readUint32(out)) : failed(code, health);
  }
}
