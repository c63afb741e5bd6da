import {
  type ClockEventReason,
  type DeviceUuid,
  type Figures,
  type Unavailability,
  allUnavailable,
  clockEventReasons,
  parseDeviceUuid,
} from '../reading.ts';
import { type CsvColumn, type CsvRow, type CsvTable, parseCsv } from './csv.ts';
import { figureFields, identityFields } from './fields.ts';
import { absenceOf, figureOf, wholeOf } from './values.ts';

/** What `--query-gpu` says about one GPU. */
export interface SmiDevice {
  readonly uuid: DeviceUuid;
  readonly index: number;
  readonly name: string;
  readonly pciBusId: string | null;
  readonly driverVersion: string | null;
  readonly migEnabled: boolean;
  /** false: its line is broken, and nothing but which GPU it is about could be read. */
  readonly sound: boolean;
  readonly figures: Figures;
  readonly clockEvents: readonly ClockEventReason[] | Unavailability;
}

export interface SmiDevices {
  readonly devices: readonly SmiDevice[];
  /** Lines that are about no GPU that can be told: warnings of the driver, or broken ones. */
  readonly remarks: readonly string[];
}

/** Where the driver does not give a name that can be read. */
const unknownName = 'NVIDIA GPU';

/**
 * Reads the answer to a query for `chooseFields`; null where there is no table in it. A GPU whose line is broken, or
 * that two lines claim to be about, is there with nothing but errors.
 */
export function parseDevices(text: string): SmiDevices | null {
  const table = parseCsv(text, 'uuid') ?? parseCsv(text, 'gpu_uuid');
  if (table === null || columnOf(table, identityFields.index) === null) return null;
  const devices = new Map<DeviceUuid, SmiDevice>();
  const whole = new Set(table.rows);
  const remarks = [...table.remarks];
  for (const row of [...table.rows, ...table.broken]) {
    const identity = identityOf(table, row);
    if (identity === null) {
      remarks.push(row.join(', '));
      continue;
    }
    const sound = whole.has(row) && !devices.has(identity.uuid);
    devices.set(identity.uuid, sound ? readRow(table, row, identity) : brokenDevice(identity));
  }
  return { devices: [...devices.values()].toSorted((one, other) => one.index - other.index), remarks };
}

interface Identity {
  readonly uuid: DeviceUuid;
  readonly index: number;
}

/** Which GPU a line is about. The two columns are asked for first, so that they stand left of what shifts. */
function identityOf(table: CsvTable, row: CsvRow): Identity | null {
  const uuid = parseDeviceUuid(cellOf(table, row, identityFields.uuid) ?? '');
  const index = wholeOf(cellOf(table, row, identityFields.index) ?? '');
  return uuid === null || index === null ? null : { uuid, index };
}

function brokenDevice(identity: Identity): SmiDevice {
  return {
    ...identity,
    name: unknownName,
    pciBusId: null,
    driverVersion: null,
    migEnabled: false,
    sound: false,
    figures: allUnavailable('error'),
    clockEvents: 'error',
  };
}

function readRow(table: CsvTable, row: CsvRow, identity: Identity): SmiDevice {
  const text = (names: readonly string[]) => {
    const cell = cellOf(table, row, names);
    return cell === null || absenceOf(cell) !== null ? null : cell;
  };
  const figures = allUnavailable('unsupported');
  for (const { figure, names, read } of figureFields) {
    const column = columnOf(table, names);
    if (column !== null) figures[figure] = figureOf(row[column.index] ?? '', column.unit, read);
  }
  return {
    ...identity,
    name: text(identityFields.name) ?? unknownName,
    pciBusId: busIdOf(text(identityFields.busId)),
    driverVersion: text(identityFields.driverVersion),
    migEnabled: text(identityFields.migMode) === 'Enabled',
    sound: true,
    figures,
    clockEvents: clockEventsOf(cellOf(table, row, identityFields.clockEvents)),
  };
}

/** Such as `00000000:3B:00.0`. */
function busIdOf(text: string | null): string | null {
  return text !== null && /^[0-9A-F]{4,8}:[0-9A-F]{2}:[0-9A-F]{2}\.[0-7]$/i.test(text) ? text : null;
}

/** The bits of a mask such as `0x0000000000000004`; bits that have no name here are left out. */
function clockEventsOf(cell: string | null): readonly ClockEventReason[] | Unavailability {
  if (cell === null) return 'unsupported';
  const absence = absenceOf(cell);
  if (absence !== null) return absence;
  if (!/^0x[0-9a-f]{1,16}$/i.test(cell)) return 'error';
  const mask = BigInt(cell);
  return clockEventReasons.filter((_, bit) => (mask & (1n << BigInt(bit))) !== 0n);
}

function cellOf(table: CsvTable, row: CsvRow, names: readonly string[]): string | null {
  const column = columnOf(table, names);
  return column === null ? null : (row[column.index] ?? null);
}

function columnOf({ columns }: CsvTable, names: readonly string[]): CsvColumn | null {
  for (const name of names) {
    const column = columns.get(name);
    if (column !== undefined) return column;
  }
  return null;
}
