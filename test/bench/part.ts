/** One line of the table. */
export interface Measurement {
  readonly what: string;
  readonly value: number;
  readonly unit: 'ms' | 'MB' | 'count';
  /** What the value should not exceed; a line without one only informs. */
  readonly goal?: number;
}

/** A subject of measurement: a file of its own and one line in `parts.ts`. It gets a process to itself. */
export interface BenchPart {
  /** What `npm run bench -- NAME` asks for. */
  readonly name: string;
  readonly title: string;
  /** Why it cannot be measured on this machine; null where it can. */
  readonly leftOut?: () => string | null;
  readonly run: () => Promise<readonly Measurement[]>;
}
