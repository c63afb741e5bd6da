import type { Unavailability } from '../reading.ts';
import { codes } from './codes.ts';
import { type Health, failed } from './health.ts';
import {
  allocate,
  deviceSample,
  processSample,
  readInt32,
  readUint32,
  readUint64,
  readValue,
  writeUint32,
} from './layouts.ts';
import type { NvmlCalls } from './library.ts';
import { enlarged, fewestEntries, mostTries } from './processes.ts';
import type { DeviceSample, WorkSample } from './work.ts';

/** Reads the samples of utilisation that the driver keeps. Times are of the driver's clock, in microseconds. */
export interface SampleReader {
  /** Of each process that did something since then. */
  processes(handle: bigint, sinceUs: number, health: Health): readonly WorkSample[] | Unavailability;
  /** Of the device as a whole. */
  device(handle: bigint, sinceUs: number, health: Health): readonly DeviceSample[] | Unavailability;
}

/** `NVML_GPU_UTILIZATION_SAMPLES`. */
const gpuUtilization = 1;

export function createSampleReader(calls: NvmlCalls): SampleReader {
  const { nvmlDeviceGetProcessUtilization: processUtilization, nvmlDeviceGetSamples: deviceSamples } = calls;
  const count = allocate(4);
  const type = allocate(4);
  let ofProcesses = allocate(fewestEntries * processSample.bytes);
  let ofDevice = allocate(fewestEntries * deviceSample.bytes);

  return {
    processes(handle, sinceUs, health) {
      if (processUtilization === null) return 'unsupported';
      for (let tries = 0; tries < mostTries; tries += 1) {
        writeUint32(count, ofProcesses.byteLength / processSample.bytes);
        const code = processUtilization(handle, ofProcesses, count, sinceUs);
        if (code === codes.success) return readProcesses();
        // Nothing is newer, which is an answer.
        if (code === codes.notFound) return [];
        if (code !== codes.insufficientSize) return failed(code, health);
        ofProcesses = enlarged(ofProcesses, readUint32(count), processSample.bytes);
      }
      return 'error';
    },
    device(handle, sinceUs, health) {
      if (deviceSamples === null) return 'unsupported';
      for (let tries = 0; tries < mostTries; tries += 1) {
        writeUint32(count, ofDevice.byteLength / deviceSample.bytes);
        const code = deviceSamples(handle, gpuUtilization, sinceUs, type, count, ofDevice);
        if (code === codes.success && hasAll()) return readDevice();
        if (code === codes.notFound) return [];
        if (code !== codes.success && code !== codes.insufficientSize) return failed(code, health);
        ofDevice = enlarged(ofDevice, readUint32(count), deviceSample.bytes);
      }
      return 'error';
    },
  };

  /** Unlike for processes, a buffer that is too small is filled without a word. */
  function hasAll(): boolean {
    return readUint32(count) < ofDevice.byteLength / deviceSample.bytes;
  }

  function readProcesses(): readonly WorkSample[] {
    return entries(ofProcesses, processSample.bytes).map((offset) => ({
      pid: readUint32(ofProcesses, offset + processSample.pid),
      timeUs: readUint64(ofProcesses, offset + processSample.timeUs),
      percent: readUint32(ofProcesses, offset + processSample.smPercent),
    }));
  }

  function readDevice(): readonly DeviceSample[] {
    return entries(ofDevice, deviceSample.bytes).flatMap((offset) => {
      const percent = readValue(ofDevice, offset + deviceSample.value, readInt32(type));
      return percent === null
        ? []
        : [{ timeUs: readUint64(ofDevice, offset + deviceSample.timeUs), percent }];
    });
  }

  /** Where the entries begin that the driver wrote. */
  function entries(view: DataView, bytes: number): readonly number[] {
    const written = Math.min(readUint32(count), view.byteLength / bytes);
    return Array.from({ length: written }, (_, index) => index * bytes);
  }
}
