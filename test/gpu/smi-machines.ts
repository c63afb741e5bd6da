import { readFileSync } from 'node:fs';

/** A machine as nvidia-smi shows it: see test/fixtures/nvidia-smi/README.md. */
export interface SmiMachine {
  readonly gpus: SmiTable;
  readonly computeApps: SmiTable;
  readonly pmon: string;
  readonly list: string;
  readonly query: string;
}

/** A table that can be asked for some of its columns. */
export type SmiTable = readonly SmiField[];

export interface SmiField {
  /** As the header names it, then its other names. */
  readonly names: readonly [string, ...string[]];
  readonly unit: string;
  readonly values: readonly string[];
}

export const machineNames = [
  'geforce-550',
  'a100-535',
  'h100-mig-560',
  'v100-470',
  'l40s-590',
  'reset-570',
  'broken-row-545',
] as const;
export type MachineName = (typeof machineNames)[number];

export function loadMachine(name: MachineName): SmiMachine {
  const read = (file: string) =>
    readFileSync(new URL(`../fixtures/nvidia-smi/${name}/${file}.txt`, import.meta.url), 'utf8');
  return {
    gpus: parseTable(read('gpus')),
    computeApps: parseTable(read('compute-apps')),
    pmon: read('pmon'),
    list: read('list'),
    query: read('query'),
  };
}

/** The table with other values in one column. */
export function withValues(table: SmiTable, name: string, values: readonly string[]): SmiTable {
  if (!table.some((field) => field.names.includes(name))) throw new Error(`no field ${name}`);
  return table.map((field) => (field.names.includes(name) ? { ...field, values } : field));
}

/** What `--format=csv,nounits` prints for some fields; by default for all of them. */
export function csvOf(
  table: SmiTable,
  asked: readonly string[] = table.map(({ names }) => names[0]),
): string {
  const columns = asked.map((name) => {
    const field = table.find(({ names }) => names.includes(name));
    if (field === undefined) throw new Error(`Field "${name}" is not a valid field to query.`);
    return [headerOf(field), ...field.values];
  });
  const height = Math.max(...columns.map((column) => column.length));
  const line = (row: number) => `${columns.map((column) => column[row] ?? '').join(', ')}\n`;
  return Array.from({ length: height }, (_, row) => line(row)).join('');
}

/** What `--help-query-gpu` prints. */
export function helpOf(table: SmiTable): string {
  const properties = table.map(
    ({ names }) =>
      `${names.map((name) => `"${name}"`).join(' or ')}\nWhat ${names[0]} is, in a sentence or two.\n\n`,
  );
  return `List of valid properties to query for the switch "--query-gpu":\n\n${properties.join('')}\n`;
}

export function headerOf({ names, unit }: SmiField): string {
  return unit === '' ? names[0] : `${names[0]} [${unit}]`;
}

/** Reads `name = alias [unit] | value | value`. */
function parseTable(text: string): SmiTable {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [head = '', ...values] = line.split('|').map((part) => part.trim());
      const [, nameList = '', unit = ''] = /^([^[]*?)(?: \[(.*)\])?$/.exec(head) ?? [];
      const [name = '', ...aliases] = nameList.split(' = ');
      return { names: [name, ...aliases], unit, values };
    });
}
