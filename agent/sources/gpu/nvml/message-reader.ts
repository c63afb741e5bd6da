import { z } from 'zod';
import { clockEventReasons, figureNames, parseDeviceUuid, unavailabilities } from '../reading.ts';
import type { HelperMessage } from './messages.ts';

const Unavailability = z.enum(unavailabilities);
const Figure = z.union([z.number(), Unavailability]);
const DeviceUuid = z.string().transform((text, context) => {
  const uuid = parseDeviceUuid(text);
  if (uuid !== null) return uuid;
  context.addIssue('not the UUID of a device');
  return z.NEVER;
});
const Id = z.number().int().nonnegative();
const Seconds = z.number().nonnegative();
const MigPlace = z.object({
  parent: DeviceUuid,
  gpuInstanceId: Id,
  computeInstanceId: Id,
  profile: z.string().nullable(),
});
const Process = z.object({
  pid: z.number().int().positive(),
  usedMemoryBytes: z.number().nonnegative().nullable(),
  instance: z.object({ gpuInstanceId: Id, computeInstanceId: Id }).nullable(),
});
const Work = z.object({
  coveredSeconds: Seconds,
  processes: z.array(z.object({ pid: z.number().int().positive(), busySeconds: Seconds })),
});
const Device = z.object({
  uuid: DeviceUuid,
  index: Id,
  name: z.string(),
  minorNumber: Id.nullable(),
  pciBusId: z.string().nullable(),
  weight: z.number().positive().nullable(),
  mig: MigPlace.nullable(),
  migEnabled: z.boolean(),
  figures: z.record(z.enum(figureNames), Figure),
  clockEvents: z.union([z.array(z.enum(clockEventReasons)), Unavailability]),
  busy: z.union([z.object({ busySeconds: Seconds, coveredSeconds: Seconds }), Unavailability]),
  processes: z.union([z.array(Process), Unavailability]),
  work: z.union([Work, Unavailability]),
});
const Reading = z.object({
  source: z.literal('nvml'),
  takenAtMs: z.number(),
  driverVersion: z.string().nullable(),
  devices: z.array(Device).min(1),
  xids: z.array(z.object({ uuid: DeviceUuid, xid: Id, atMs: z.number() })),
  xidsAvailable: z.boolean(),
});
const Message = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('opening') }),
  z.object({ kind: z.literal('opened') }),
  z.object({ kind: z.literal('reading'), reading: Reading, troubles: z.array(z.string()) }),
  z.object({ kind: z.literal('failed'), reason: z.string(), advice: z.string() }),
  z.object({ kind: z.literal('unloadable'), reason: z.string() }),
  z.object({ kind: z.literal('outdated'), reason: z.string(), advice: z.string() }),
]);

/** Reads what the helper sent; a sentence where it makes no sense. */
export function readHelperMessage(message: unknown): HelperMessage | string {
  const parsed = Message.safeParse(message);
  return parsed.success ? parsed.data : z.prettifyError(parsed.error);
}
