import * as z from 'zod';

/** Which GPUs a container was given at its creation, as Docker and NVIDIA's runtime understand it. */
export type GpuRequest =
  | { readonly kind: 'none' }
  | { readonly kind: 'all' }
  /** The first so many in NVML's order: Docker hands the runtime 0 to N-1. */
  | { readonly kind: 'count'; readonly count: number }
  /** Each a UUID, an index, or `GPU:MIG` (two indexes). */
  | { readonly kind: 'devices'; readonly names: readonly string[] }
  /** Device nodes, by the N of /dev/nvidiaN. */
  | { readonly kind: 'nodes'; readonly minorNumbers: readonly number[] };

/** What of `HostConfig` and `Config` says something about GPUs. */
export const GpuFields = {
  deviceRequests: z
    .array(
      z.object({
        Driver: z.string().nullish(),
        Count: z.number().nullish(),
        DeviceIDs: z.array(z.string()).nullish(),
        Capabilities: z.array(z.array(z.string())).nullish(),
      }),
    )
    .nullish(),
  devices: z.array(z.object({ PathOnHost: z.string().nullish() })).nullish(),
  environment: z.array(z.string()).nullish(),
  runtime: z.string().nullish(),
};

export interface GpuFacts {
  readonly deviceRequests: z.infer<typeof GpuFields.deviceRequests>;
  readonly devices: z.infer<typeof GpuFields.devices>;
  readonly environment: z.infer<typeof GpuFields.environment>;
  /** The Engine writes its default runtime here for a container that was created without naming one. */
  readonly runtime: string | null;
}

const visibleDevices = 'NVIDIA_VISIBLE_DEVICES=';
const cdiGpu = 'nvidia.com/gpu=';

/**
 * What a container was given. `--gpus` first, CDI among it; then NVIDIA_VISIBLE_DEVICES, which counts under the
 * runtime `nvidia` only; then plain device nodes.
 * https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html
 */
export function readGpuRequest({ deviceRequests, devices, environment, runtime }: GpuFacts): GpuRequest {
  for (const request of deviceRequests ?? []) {
    const names = request.DeviceIDs ?? [];
    if (request.Driver === 'cdi') {
      const gpus = names.flatMap((name) => (name.startsWith(cdiGpu) ? [name.slice(cdiGpu.length)] : []));
      if (gpus.length > 0) return ofNames(gpus);
      continue;
    }
    const wantsGpu = (request.Capabilities ?? []).some(
      (all) => all.includes('gpu') || all.includes('nvidia'),
    );
    if (request.Driver !== 'nvidia' && !wantsGpu) continue;
    if (names.length > 0) return ofNames(names);
    const count = request.Count ?? 0;
    if (count !== 0) return count < 0 ? { kind: 'all' } : { kind: 'count', count };
  }
  if (runtime === 'nvidia') {
    const visible = environment?.findLast((entry) => entry.startsWith(visibleDevices));
    const fromVariable =
      visible === undefined ? null : readVisibleDevices(visible.slice(visibleDevices.length));
    if (fromVariable !== null) return fromVariable;
  }
  const minorNumbers = (devices ?? []).flatMap(({ PathOnHost }) => {
    const minor = /^\/dev\/nvidia(\d{1,4})$/.exec(PathOnHost ?? '')?.[1];
    return minor === undefined ? [] : [Number(minor)];
  });
  return minorNumbers.length > 0 ? { kind: 'nodes', minorNumbers } : { kind: 'none' };
}

/** null where the variable asks for no GPU: `none` gives the driver's libraries without a device, `void` nothing. */
function readVisibleDevices(value: string): GpuRequest | null {
  if (value === '' || value === 'none' || value === 'void') return null;
  const names = value.split(',').map((name) => name.trim());
  // CDI names are allowed in the variable too.
  return ofNames(names.map((name) => (name.startsWith(cdiGpu) ? name.slice(cdiGpu.length) : name)));
}

function ofNames(names: readonly string[]): GpuRequest {
  return names.includes('all') ? { kind: 'all' } : { kind: 'devices', names };
}
