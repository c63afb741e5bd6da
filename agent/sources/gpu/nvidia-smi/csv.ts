/** A column of a table, by its place and by the unit that its header names. */
export interface CsvColumn {
  readonly index: number;
  /** As in `memory.total [MiB]`; empty where the header has none. */
  readonly unit: string;
}

/** What `nvidia-smi --format=csv,nounits` printed. Cells are as they stand there, without the blanks around them. */
export interface CsvTable {
  readonly columns: ReadonlyMap<string, CsvColumn>;
  /** Those with as many cells as there are headers. */
  readonly rows: readonly CsvRow[];
  /**
   * Lines with more or fewer cells, or cut off. There is no quoting: a comma in a value shifts every cell after it, so
   * that only cells left of the first free text can be trusted in such a line.
   */
  readonly broken: readonly CsvRow[];
  /** Lines before the header, where the driver prints what it has to say about a card that it lost. */
  readonly remarks: readonly string[];
}

export type CsvRow = readonly string[];

/**
 * Reads a table with a header; null where there is none, or one that names a column twice.
 *
 * @param key a column that every table of this kind has, by which its header is known
 */
export function parseCsv(text: string, key: string): CsvTable | null {
  // Every line ends with a newline. What comes after the last one was cut off, and half a number is a number too.
  const lines = text.split('\n');
  const rest = lines.pop() ?? '';
  const rows: CsvRow[] = [];
  const broken: CsvRow[] = [];
  const remarks: string[] = [];
  let columns: ReadonlyMap<string, CsvColumn> | null = null;
  let width = 0;
  for (const line of lines) {
    if (line.trim() === '') continue;
    const cells = split(line);
    if (columns !== null) (cells.length === width ? rows : broken).push(cells);
    else if (cells.some((cell) => headerOf(cell)?.name === key)) {
      columns = columnsOf(cells);
      if (columns === null) return null;
      width = cells.length;
    } else remarks.push(line.trim());
  }
  if (columns === null) return null;
  if (rest.trim() !== '') broken.push(split(rest));
  return { columns, rows, broken, remarks };
}

function split(line: string): CsvRow {
  return line.split(',').map((cell) => cell.trim());
}

/** Headers that cannot be read are of no interest; they keep their place. */
function columnsOf(cells: CsvRow): ReadonlyMap<string, CsvColumn> | null {
  const columns = new Map<string, CsvColumn>();
  for (const [index, cell] of cells.entries()) {
    const header = headerOf(cell);
    if (header === null) continue;
    if (columns.has(header.name)) return null;
    columns.set(header.name, { index, unit: header.unit });
  }
  return columns;
}

function headerOf(cell: string): { readonly name: string; readonly unit: string } | null {
  const [, name, unit = ''] = /^([A-Za-z][\w.]*)(?: \[([^[\]]*)\])?$/.exec(cell) ?? [];
  return name === undefined ? null : { name, unit };
}
