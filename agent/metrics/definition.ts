/** One metric as `/metrics` shows it: a contract with every dashboard and rule that reads it. */
export interface MetricDefinition {
  /** Base units, `_total` on counters only. https://prometheus.io/docs/practices/naming/ */
  readonly name: `gpuwarden_${string}`;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** What it means, in which unit, and when it is absent. */
  readonly help: string;
  /** Beside `host`, which stands on every series. */
  readonly labels: readonly string[];
}

/** A number with what identifies it. */
export interface Sample {
  /** `name="value",…`, made by `formatLabels`; empty for none. */
  readonly labels: string;
  readonly value: number;
}
