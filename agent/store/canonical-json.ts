/** What stands in one field. */
export type CanonicalValue = string | number | boolean | null;

/**
 * The one way to write down an object of plain fields: keys in the order of their code units and nothing between the
 * tokens, as RFC 8785 says. Whoever has the fields gets the same bytes. Half a surrogate pair, which no encoding of
 * Unicode can hold, becomes U+FFFD.
 */
export function canonicalJson(fields: Readonly<Record<string, CanonicalValue>>): string {
  const members = Object.entries(fields)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, value]) => {
      const sound = typeof value === 'string' ? value.toWellFormed() : value;
      return `${JSON.stringify(key.toWellFormed())}:${JSON.stringify(sound)}`;
    });
  return `{${members.join(',')}}`;
}
