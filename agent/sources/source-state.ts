/** Whether a source can be read, as `gpuwarden_source_up{source}` reports it. Times are Unix milliseconds. */
export type SourceState =
  | { readonly kind: 'starting' }
  /** There is nothing here to be read, or an admin asked not to: no failure. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'up'; readonly sinceMs: number }
  | {
      readonly kind: 'down';
      readonly sinceMs: number;
      /** What happened, in one sentence. */
      readonly reason: string;
      /** What an admin can do about it. */
      readonly advice: string;
    };
