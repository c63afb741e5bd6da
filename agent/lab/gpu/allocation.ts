import type { GpuRequest } from '../../sources/docker/gpu-request.ts';
import type { DeviceUuid, MigPlace } from '../../sources/gpu/reading.ts';

/** What of a device is needed to tell which devices a container was given. */
export interface DeviceIdentity {
  readonly uuid: DeviceUuid;
  readonly index: number;
  readonly minorNumber: number | null;
  readonly mig: MigPlace | null;
}

/**
 * Which devices a container was given: what it may use, whether it does or not.
 *
 * @param devices all devices of the machine, MIG instances after each other in the driver's order
 * @returns null where it cannot be told (a name that no device has: the machine was changed since, or nobody has
 *   enumerated the devices yet), which is not the same as none
 */
export function allocatedDevices(
  request: GpuRequest,
  devices: readonly DeviceIdentity[],
): ReadonlySet<DeviceUuid> | null {
  switch (request.kind) {
    case 'none':
      return new Set();
    case 'all':
      return devices.length === 0 ? null : new Set(usable(devices).map(({ uuid }) => uuid));
    case 'count':
      return collect(Array.from({ length: request.count }, (_, index) => whole(index, devices)));
    case 'devices':
      return collect(request.names.map((name) => named(name, devices)));
    case 'nodes':
      return collect(
        request.minorNumbers.map(
          (minor) => devices.find(({ mig, minorNumber }) => mig === null && minorNumber === minor) ?? null,
        ),
      );
  }
}

/** A card that is partitioned cannot be used as a whole: then its instances are what there is. */
function usable(devices: readonly DeviceIdentity[]): readonly DeviceIdentity[] {
  const parents = new Set(devices.map(({ mig }) => mig?.parent));
  return devices.filter(({ uuid }) => !parents.has(uuid));
}

/** `GPU-…`, `MIG-…`, `0` or, for the second MIG instance of the first GPU, `0:1`. */
function named(name: string, devices: readonly DeviceIdentity[]): DeviceIdentity | null {
  const [, gpu, instance] = /^(\d{1,4})(?::(\d{1,2}))?$/.exec(name) ?? [];
  if (gpu === undefined) return devices.find(({ uuid }) => uuid === name) ?? null;
  if (instance === undefined) return whole(Number(gpu), devices);
  const instances = devices.filter(({ index, mig }) => mig !== null && index === Number(gpu));
  return instances[Number(instance)] ?? null;
}

function whole(index: number, devices: readonly DeviceIdentity[]): DeviceIdentity | null {
  return devices.find((device) => device.mig === null && device.index === index) ?? null;
}

function collect(found: readonly (DeviceIdentity | null)[]): ReadonlySet<DeviceUuid> | null {
  const uuids = new Set<DeviceUuid>();
  for (const device of found) {
    if (device === null) return null;
    uuids.add(device.uuid);
  }
  return uuids;
}
