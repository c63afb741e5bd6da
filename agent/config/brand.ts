declare const brand: unique symbol;

/** A primitive that only its own parser can make, so that ids and units cannot be swapped by accident. */
export type Brand<Value, Name extends string> = Value & { readonly [brand]: Name };
