import * as z from 'zod';

/** A text column that holds JSON of the given shape. Text that is no JSON is an issue like any other. */
export function jsonColumn<Value>(shape: z.ZodType<Value>): z.ZodType<Value, string> {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        context.addIssue({ code: 'custom', message: `is not JSON: ${error.message}` });
        return z.NEVER;
      }
    })
    .pipe(shape);
}
