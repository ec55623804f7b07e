/**
 * The known name a misspelt one was most likely meant to be: the one with the fewest single-letter
 * edits, or the only one that holds it as a part. Undefined when none is close (more than a third
 * of it differs).
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const containing = known.filter((other) => name !== "" && other.includes(name));
  if (containing.length === 1) return containing[0];
  const ranked = known
    .map((other) => ({ other, edits: editDistance(name.toLowerCase(), other.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  const [best] = ranked;
  return best !== undefined && best.edits <= Math.ceil(best.other.length / 3)
    ? best.other
    : undefined;
}

/** Levenshtein's distance: insertions, deletions and substitutions that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substituted, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    above = row;
  }
  return above[b.length] ?? 0;
}
