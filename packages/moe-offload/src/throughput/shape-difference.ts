/** A position at which two computations of the same model chose different tokens. */
export interface NearTie {
  sequence: number;
  step: number;
  /** What the reference and the other chose. */
  referenceToken: number;
  otherToken: number;
  /** Distance of the two highest logits of the reference. */
  gap: number;
}

/**
 * Compares two rows of logits of the same position: Kullback-Leibler divergence of the distribution
 * `other` from `reference`, in nats, and the tokens of highest logit.
 */
export function compareLogits(
  reference: Float32Array,
  other: Float32Array,
): { kl: number; referenceToken: number; otherToken: number; gap: number } {
  const [a, b] = [logPartition(reference), logPartition(other)];
  let kl = 0;
  for (let token = 0; token < reference.length; token++) {
    const logP = (reference[token] ?? 0) - a.logSum;
    kl += Math.exp(logP) * (logP - ((other[token] ?? 0) - b.logSum));
  }
  // Rounding may leave a little below zero.
  return {
    kl: Math.max(0, kl),
    referenceToken: a.best,
    otherToken: b.best,
    gap: a.highest - a.second,
  };
}

function logPartition(logits: Float32Array) {
  let best = 0;
  let highest = Number.NEGATIVE_INFINITY;
  let second = Number.NEGATIVE_INFINITY;
  for (let token = 0; token < logits.length; token++) {
    const value = logits[token] ?? 0;
    if (value > highest) {
      second = highest;
      highest = value;
      best = token;
    } else if (value > second) second = value;
  }
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - highest);
  return { best, highest, second, logSum: highest + Math.log(sum) };
}
