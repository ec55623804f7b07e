import { MoeError } from "../errors.ts";

/** One row of logits in a larger array. */
export interface LogitRow {
  readonly logits: Float32Array;
  /** Place of the row's first entry. */
  readonly first: number;
  readonly count: number;
}

/** What is needed of a row again and again. */
export interface RowStatistics {
  /** ln of the sum of exp(logit), in double precision. */
  readonly logSum: number;
  /** Index of the largest logit, the lowest of equals. */
  readonly argmax: number;
  /** By how much the largest exceeds the next, nats; 0 for a tie. */
  readonly margin: number;
}

/**
 * The log-sum-exp of a row and its two largest entries.
 * @throws MoeError `BAD_LOGITS` for an entry that is not finite
 */
export function rowStatistics({ logits, first, count }: LogitRow): RowStatistics {
  let argmax = 0;
  let largest = Number.NEGATIVE_INFINITY;
  let second = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < count; i++) {
    const value = logits[first + i] ?? Number.NaN;
    if (!Number.isFinite(value)) {
      throw new MoeError(
        `the logit of token ${i} is ${value}; the weights of this model are damaged, or the ` +
          "precision of its experts is too low for their values",
        { code: "BAD_LOGITS", token: i, value },
      );
    }
    if (value > largest) {
      second = largest;
      largest = value;
      argmax = i;
    } else if (value > second) second = value;
  }
  let sum = 0;
  for (let i = 0; i < count; i++) sum += Math.exp((logits[first + i] ?? 0) - largest);
  return { logSum: largest + Math.log(sum), argmax, margin: count > 1 ? largest - second : 0 };
}

/** Negative log-likelihood of a token, nats. */
export function negativeLogLikelihood(row: LogitRow, logSum: number, token: number): number {
  return logSum - (row.logits[row.first + token] ?? Number.NaN);
}
