import type koffi from 'koffi';

/** What a C parameter takes. Handles are pointers that nobody but the library follows: numbers of 64 bits here. */
interface Parameters {
  readonly handle: bigint;
  readonly uint64: number;
  readonly uint: number;
  readonly int: number;
  readonly buffer: DataView;
}

const koffiTypes: Readonly<Record<keyof Parameters, string>> = {
  handle: 'uint64',
  uint64: 'uint64',
  uint: 'uint',
  int: 'int',
  buffer: 'void *',
};

/** Every function that is used, by its prototype in nvml.h; all return an `nvmlReturn_t`, an int. */
const signatures = {
  nvmlInit_v2: [],
  nvmlShutdown: [],
  nvmlSystemGetDriverVersion: ['buffer', 'uint'],
  nvmlDeviceGetCount_v2: ['buffer'],
  nvmlDeviceGetHandleByIndex_v2: ['uint', 'buffer'],
  nvmlDeviceGetUUID: ['handle', 'buffer', 'uint'],
  nvmlDeviceGetName: ['handle', 'buffer', 'uint'],
  nvmlDeviceGetMinorNumber: ['handle', 'buffer'],
  nvmlDeviceGetPciInfo_v3: ['handle', 'buffer'],
  nvmlDeviceGetUtilizationRates: ['handle', 'buffer'],
  nvmlDeviceGetEncoderUtilization: ['handle', 'buffer', 'buffer'],
  nvmlDeviceGetDecoderUtilization: ['handle', 'buffer', 'buffer'],
  nvmlDeviceGetMemoryInfo: ['handle', 'buffer'],
  nvmlDeviceGetMemoryInfo_v2: ['handle', 'buffer'],
  nvmlDeviceGetPowerUsage: ['handle', 'buffer'],
  nvmlDeviceGetEnforcedPowerLimit: ['handle', 'buffer'],
  nvmlDeviceGetTotalEnergyConsumption: ['handle', 'buffer'],
  nvmlDeviceGetTemperature: ['handle', 'int', 'buffer'],
  nvmlDeviceGetTemperatureV: ['handle', 'buffer'],
  nvmlDeviceGetTemperatureThreshold: ['handle', 'int', 'buffer'],
  nvmlDeviceGetClockInfo: ['handle', 'int', 'buffer'],
  nvmlDeviceGetFanSpeed: ['handle', 'buffer'],
  nvmlDeviceGetPerformanceState: ['handle', 'buffer'],
  nvmlDeviceGetCurrentClocksEventReasons: ['handle', 'buffer'],
  nvmlDeviceGetCurrentClocksThrottleReasons: ['handle', 'buffer'],
  nvmlDeviceGetTotalEccErrors: ['handle', 'int', 'int', 'buffer'],
  nvmlDeviceGetRemappedRows: ['handle', 'buffer', 'buffer', 'buffer', 'buffer'],
  nvmlDeviceGetCurrPcieLinkGeneration: ['handle', 'buffer'],
  nvmlDeviceGetCurrPcieLinkWidth: ['handle', 'buffer'],
  nvmlDeviceGetMaxPcieLinkGeneration: ['handle', 'buffer'],
  nvmlDeviceGetMaxPcieLinkWidth: ['handle', 'buffer'],
  nvmlDeviceGetPcieReplayCounter: ['handle', 'buffer'],
  nvmlDeviceGetFieldValues: ['handle', 'int', 'buffer'],
  nvmlDeviceGetComputeRunningProcesses: ['handle', 'buffer', 'buffer'],
  nvmlDeviceGetComputeRunningProcesses_v2: ['handle', 'buffer', 'buffer'],
  nvmlDeviceGetComputeRunningProcesses_v3: ['handle', 'buffer', 'buffer'],
  nvmlDeviceGetGraphicsRunningProcesses: ['handle', 'buffer', 'buffer'],
  nvmlDeviceGetGraphicsRunningProcesses_v2: ['handle', 'buffer', 'buffer'],
  nvmlDeviceGetGraphicsRunningProcesses_v3: ['handle', 'buffer', 'buffer'],
  nvmlDeviceGetMPSComputeRunningProcesses: ['handle', 'buffer', 'buffer'],
  nvmlDeviceGetMPSComputeRunningProcesses_v2: ['handle', 'buffer', 'buffer'],
  nvmlDeviceGetMPSComputeRunningProcesses_v3: ['handle', 'buffer', 'buffer'],
  nvmlDeviceGetProcessUtilization: ['handle', 'buffer', 'buffer', 'uint64'],
  nvmlDeviceGetSamples: ['handle', 'int', 'uint64', 'buffer', 'buffer', 'buffer'],
  nvmlDeviceGetMigMode: ['handle', 'buffer', 'buffer'],
  nvmlDeviceGetMaxMigDeviceCount: ['handle', 'buffer'],
  nvmlDeviceGetMigDeviceHandleByIndex: ['handle', 'uint', 'buffer'],
  nvmlDeviceGetGpuInstanceId: ['handle', 'buffer'],
  nvmlDeviceGetComputeInstanceId: ['handle', 'buffer'],
  nvmlDeviceGetAttributes_v2: ['handle', 'buffer'],
  nvmlDeviceGetGpuInstanceProfileInfo: ['handle', 'uint', 'buffer'],
  nvmlDeviceGetGpuInstanceProfileInfoV: ['handle', 'uint', 'buffer'],
  nvmlDeviceGetSupportedEventTypes: ['handle', 'buffer'],
  nvmlEventSetCreate: ['buffer'],
  nvmlDeviceRegisterEvents: ['handle', 'uint64', 'handle'],
  nvmlEventSetWait_v2: ['handle', 'buffer', 'uint'],
  nvmlEventSetFree: ['handle'],
  nvmlGpmQueryDeviceSupport: ['handle', 'buffer'],
  nvmlGpmSampleAlloc: ['buffer'],
  nvmlGpmSampleFree: ['handle'],
  nvmlGpmMigSampleGet: ['handle', 'uint', 'handle'],
  nvmlGpmMetricsGet: ['buffer'],
} as const satisfies Readonly<Record<string, readonly (keyof Parameters)[]>>;

type Signatures = typeof signatures;
type FunctionName = keyof Signatures;

type ValuesOf<Kinds extends readonly (keyof Parameters)[]> = {
  readonly [Index in keyof Kinds]: Parameters[Kinds[Index]];
};
type Call<Name extends FunctionName> = (...values: ValuesOf<Signatures[Name]>) => number;

/** The functions of the library; null for those that this version of the driver does not have. */
export type NvmlCalls = { readonly [Name in FunctionName]: Call<Name> | null };

/** The few that nothing can be read without. */
export interface EssentialCalls {
  readonly init: Call<'nvmlInit_v2'>;
  readonly shutdown: Call<'nvmlShutdown'>;
  readonly count: Call<'nvmlDeviceGetCount_v2'>;
  readonly handleByIndex: Call<'nvmlDeviceGetHandleByIndex_v2'>;
  readonly uuid: Call<'nvmlDeviceGetUUID'>;
}

export type LoadedLibrary =
  | { readonly kind: 'loaded'; readonly calls: NvmlCalls; readonly essential: EssentialCalls }
  | { readonly kind: 'unloadable'; readonly reason: string };

/**
 * Loads NVML and looks for each function by itself: drivers lack some, and have new names for others. It is never
 * unloaded: another version of the library is for another process.
 */
export async function loadNvml(path: string): Promise<LoadedLibrary> {
  // Only this process pays for koffi, and only once there is something to load.
  const { default: ffi } = await import('koffi');
  let library: ReturnType<typeof koffi.load>;
  try {
    library = ffi.load(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { kind: 'unloadable', reason: `${path} cannot be loaded: ${why.replace(/^.*library: /, '')}` };
  }
  const calls = bind(library);
  const essential = essentialOf(calls);
  if (essential === null)
    return { kind: 'unloadable', reason: `${path} lacks the functions of NVML that nothing goes without` };
  return { kind: 'loaded', calls, essential };
}

function bind(library: ReturnType<typeof koffi.load>): NvmlCalls {
  const calls: Record<string, unknown> = {};
  for (const [name, parameters] of Object.entries(signatures)) {
    const types = parameters.map((parameter) => koffiTypes[parameter]);
    try {
      calls[name] = library.func(name, 'int', types);
    } catch {
      calls[name] = null; // this driver does not have it, which costs the figures that need it
    }
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made of every signature there is
  return calls as unknown as NvmlCalls;
}

function essentialOf(calls: NvmlCalls): EssentialCalls | null {
  const {
    nvmlInit_v2: init,
    nvmlShutdown: shutdown,
    nvmlDeviceGetCount_v2: count,
    nvmlDeviceGetHandleByIndex_v2: handleByIndex,
    nvmlDeviceGetUUID: uuid,
  } = calls;
  if (init === null || shutdown === null || count === null || handleByIndex === null || uuid === null)
    return null;
  return { init, shutdown, count, handleByIndex, uuid };
}
