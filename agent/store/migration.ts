/** One step of the schema. What was released is never changed: a later step changes what it made. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}
