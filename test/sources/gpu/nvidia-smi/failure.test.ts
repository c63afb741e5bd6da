import { describe, expect, it } from 'vitest';
import { explainFailure } from '../../../../agent/sources/gpu/nvidia-smi/failure.ts';

function exited(code: number, stdout: string, stderr = '') {
  return explainFailure('nvidia-smi', { kind: 'exited', code, stdout, stderr });
}

describe('when nvidia-smi fails', () => {
  it.each([
    ['No devices were found\n', 6, /lspci/],
    [
      "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n\n",
      9,
      /modprobe nvidia/,
    ],
    [
      'Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 560.35\n',
      18,
      /reboot/,
    ],
    [
      "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the NVIDIA Display Driver is properly installed and present in your system.\n",
      12,
      /install the NVIDIA driver/,
    ],
    [
      'Unable to determine the device handle for GPU0000:4E:00.0: GPU is lost.  Reboot the system\n',
      15,
      /Xid/,
    ],
    ['Failed to initialize NVML: Insufficient Permissions\n', 4, /root/],
    ['Failed to initialize NVML: Unknown Error\n', 255, /daemon-reload/],
    ['Field "memory.reserved" is not a valid field to query.\n\n', 2, /read again/],
  ])('and says %j, the advice fits', (said, code, advice) => {
    expect(exited(code, said)).toMatchObject({ kind: 'down', advice: expect.stringMatching(advice) });
    expect(exited(code, '', said)).toEqual(exited(code, said));
    // Some of these come with success.
    expect(exited(0, said)).toEqual(exited(code, said));
  });

  it('in a way that nobody knows, its own words are passed on', () => {
    expect(exited(77, 'half a tab', 'Segmentation fault\n').reason).toBe(
      'nvidia-smi ended with code 77: Segmentation fault',
    );
    expect(exited(0, '').reason).toBe('nvidia-smi gave no answer that can be read');
    expect(exited(1, 'x'.repeat(100_000)).reason.length).toBeLessThan(300);
  });

  it('and the program is not there, that is no failure', () => {
    const outcome = { kind: 'failed', reason: 'nvidia-smi cannot be run: spawn nvidia-smi ENOENT' } as const;
    expect(explainFailure('nvidia-smi', outcome)).toMatchObject({
      kind: 'absent',
      advice: expect.stringContaining('GPUWARDEN_NVIDIA_SMI'),
    });
  });
});
