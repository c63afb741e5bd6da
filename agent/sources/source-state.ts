/** Whether a source can be read, as `gpuwarden_source_up{source}` reports it. Times are Unix milliseconds. */
export type SourceState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'up'; readonly sinceMs: number }
  | {
      readonly kind: 'down';
      readonly sinceMs: number;
      /** What happened, in one sentence. */
      readonly reason: string;
      /** What an admin can do about it. */
      readonly advice: string;
    };
