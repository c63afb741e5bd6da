import type { Unavailability } from '../reading.ts';

/** The answers of NVML that mean something here: `nvmlReturn_t` in nvml.h. */
export const codes = {
  success: 0,
  uninitialized: 1,
  invalidArgument: 2,
  notSupported: 3,
  noPermission: 4,
  notFound: 6,
  insufficientSize: 7,
  driverNotLoaded: 9,
  timeout: 10,
  functionNotFound: 13,
  gpuIsLost: 15,
  operatingSystem: 17,
  versionMismatch: 18,
  argumentVersionMismatch: 25,
  deprecated: 26,
  gpuNotFound: 28,
} as const;

const unsupported: ReadonlySet<number> = new Set([
  codes.notSupported,
  codes.notFound,
  codes.functionNotFound,
  codes.deprecated,
]);
/** OPERATING_SYSTEM is what comes where a cgroup keeps the device files from this process. */
const forbidden: ReadonlySet<number> = new Set([codes.noPermission, codes.operatingSystem]);
const ofTheDevice: ReadonlySet<number> = new Set([codes.gpuIsLost, codes.gpuNotFound]);
const ofTheLibrary: ReadonlySet<number> = new Set([
  codes.uninitialized,
  codes.driverNotLoaded,
  codes.versionMismatch,
]);

/** What an answer other than success means for a figure. */
export function unavailabilityOf(code: number): Unavailability {
  if (unsupported.has(code)) return 'unsupported';
  return forbidden.has(code) ? 'permission' : 'error';
}

/** Whether an answer means that this one GPU is gone, while others may be well. */
export function meansDeviceGone(code: number): boolean {
  return ofTheDevice.has(code);
}

/** Whether an answer means that the library must be initialised anew before anything can be read. */
export function meansLibraryGone(code: number): boolean {
  return ofTheLibrary.has(code);
}

/** Whether a function has no such version in this driver, so that an older one is worth asking. */
export function meansOtherVersion(code: number): boolean {
  return (
    code === codes.functionNotFound || code === codes.deprecated || code === codes.argumentVersionMismatch
  );
}

/** What went wrong and what an admin can do. */
export interface Failure {
  readonly reason: string;
  readonly advice: string;
}

const kernelLog = 'look for NVRM in the kernel log (journalctl -k)';
const explained: Readonly<Record<number, Failure>> = {
  [codes.uninitialized]: {
    reason: 'NVML is not initialised',
    advice: 'this mends itself; if not, restart the agent',
  },
  [codes.noPermission]: {
    reason: 'this user may not use the NVIDIA driver',
    advice: 'run the agent as root, or give it access to /dev/nvidiactl and /dev/nvidia*',
  },
  [codes.driverNotLoaded]: {
    reason: 'the NVIDIA driver is not loaded',
    advice: `load it (modprobe nvidia) or restart the machine; if that fails, ${kernelLog}`,
  },
  [codes.gpuIsLost]: {
    reason: 'a GPU has fallen off the bus',
    advice: `drain and restart the machine, or reset the GPU (nvidia-smi --gpu-reset); ${kernelLog}`,
  },
  [codes.operatingSystem]: {
    reason: 'the operating system keeps the NVIDIA devices from this process',
    advice: 'run the agent as a service of the host; in a container it needs all GPUs (--gpus all)',
  },
  [codes.versionMismatch]: {
    reason: "the NVIDIA driver's library and its kernel module are of different versions",
    advice: 'restart the machine, or unload the nvidia modules and load them again: the driver was updated',
  },
  [codes.gpuNotFound]: {
    reason: 'the NVIDIA driver finds no GPU',
    advice: `see whether lspci lists the GPUs; ${kernelLog}`,
  },
};

/** An answer in words. */
export function explain(code: number): Failure {
  return explained[code] ?? { reason: `NVML answers with error ${code}`, advice: kernelLog };
}
