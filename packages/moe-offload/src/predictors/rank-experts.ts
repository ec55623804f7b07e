/**
 * The `count` experts of highest score, by falling score; ties go to the lower number. Allocates
 * nothing: made for the decode loop.
 *
 * @param scores  `[expertCount]`; NaN ranks last
 * @param out     output: its first `min(count, scores.length)` entries
 * @returns how many were written
 */
export function rankExperts(scores: Float32Array, count: number, out: Int32Array): number {
  const wanted = Math.min(count, scores.length);
  let ranked = 0;
  for (let expert = 0; expert < scores.length; expert++) {
    let at = ranked;
    while (at > 0 && isHigher(scores[expert], scores[out[at - 1] ?? 0])) at--;
    if (at >= wanted) continue;
    if (ranked < wanted) ranked++;
    for (let i = ranked - 1; i > at; i--) out[i] = out[i - 1] ?? 0;
    out[at] = expert;
  }
  return ranked;
}

/** True when `a` ranks strictly before `b`. */
function isHigher(a = Number.NaN, b = Number.NaN): boolean {
  return a > b || (!Number.isNaN(a) && Number.isNaN(b));
}
