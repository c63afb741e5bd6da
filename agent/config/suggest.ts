/** The known word nearest to what was written, as `; did you mean "…"?`; empty where none is near. */
export function suggest(written: string, known: Iterable<string>): string {
  let best = '';
  let bestDistance = Math.max(2, Math.floor(written.length / 3)) + 1;
  // Comparing megabytes with short words is of no use to anybody.
  if (written.length > 64) return '';
  for (const word of known) {
    const distance = editDistance(written, word);
    if (distance < bestDistance) [best, bestDistance] = [word, distance];
  }
  return best === '' ? '' : `; did you mean "${best}"?`;
}

/** Levenshtein's distance. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + Number(one[i - 1] !== other[j - 1]);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, swap));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
