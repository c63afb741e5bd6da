import type { Figure, FigureName } from '../reading.ts';
import { codes } from './codes.ts';
import { type Health, failed } from './health.ts';
import { allocate, clear, fieldValue, readInt32, readValue, writeUint32 } from './layouts.ts';
import type { NvmlCalls } from './library.ts';

/** A field of NVML (`NVML_FI_…` in nvml.h), read with others by one call. */
interface Field {
  readonly id: number;
  /** Which link; all of them together where it is NVLink. */
  readonly scope: number;
  readonly figure: FigureName;
  /** To base units. */
  readonly scale: number;
}

/** `UINT_MAX` as the scope of an NVLink field stands for the sum over all links. */
const allLinks = 0xffff_ffff;

/** Read in each cycle. */
export const quickFields: readonly Field[] = [field(82, 'memoryTemperatureCelsius')];

/**
 * Those, and what is read now and then. Two fields may give the same figure; the first one that is there counts.
 *
 * The byte counters of PCIe "can be wrapped" (nvml.h), and those of NVLink begin anew with the driver: whoever takes
 * differences must take a decrease for a new beginning, as `rate()` of Prometheus does.
 */
export const allFields: readonly Field[] = [
  ...quickFields,
  field(197, 'pcieTransmitBytes'),
  field(198, 'pcieReceiveBytes'),
  // NVLink 5 counts bytes, what came before KiB.
  field(202, 'nvlinkTransmitBytes', 1, allLinks),
  field(204, 'nvlinkReceiveBytes', 1, allLinks),
  field(138, 'nvlinkTransmitBytes', 1024, allLinks),
  field(139, 'nvlinkReceiveBytes', 1024, allLinks),
  field(230, 'recoveryAction'),
];

const values = allocate(allFields.length * fieldValue.bytes);

/** Reads fields in one call into `figures`. */
export function readFields(
  call: NvmlCalls['nvmlDeviceGetFieldValues'],
  handle: bigint,
  fields: readonly Field[],
  figures: Record<FigureName, Figure>,
  health: Health,
): void {
  for (const { figure } of fields) figures[figure] = 'unsupported';
  if (call === null) return;
  fields.forEach(({ id, scope }, index) => {
    const offset = index * fieldValue.bytes;
    clear(values, offset, fieldValue.bytes);
    writeUint32(values, id, offset + fieldValue.id);
    writeUint32(values, scope, offset + fieldValue.scope);
    // Drivers that do not know a field may leave its place as it was.
    writeUint32(values, codes.notSupported, offset + fieldValue.code);
  });
  const code = call(handle, fields.length, values);
  fields.forEach(({ figure, scale }, index) => {
    const value = code === codes.success ? readField(index, scale, health) : unlessUnknownField(code, health);
    const better = typeof value === 'number' || figures[figure] === 'unsupported';
    if (typeof figures[figure] !== 'number' && better) figures[figure] = value;
  });
}

function readField(index: number, scale: number, health: Health): Figure {
  const offset = index * fieldValue.bytes;
  const code = readInt32(values, offset + fieldValue.code);
  if (code !== codes.success) return unlessUnknownField(code, health);
  const number = readValue(values, offset + fieldValue.value, readInt32(values, offset + fieldValue.type));
  return number === null || !Number.isFinite(number) ? 'error' : number * scale;
}

/** A driver answers INVALID_ARGUMENT about a field that is newer than itself. */
function unlessUnknownField(code: number, health: Health): Figure {
  return code === codes.invalidArgument ? 'unsupported' : failed(code, health);
}

function field(id: number, figure: FigureName, scale = 1, scope = 0): Field {
  return { id, scope, figure, scale };
}
