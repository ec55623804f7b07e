import type { Prng } from "@fmlab/sim";
import { ShardChainError } from "../errors.ts";

/** Draws ranks: 0 is the most popular. */
export interface RankSampler {
  readonly count: number;
  sample(prng: Prng): number;
}

/**
 * Zipf and Mandelbrot's law: rank r (from 0) has weight (r + 1 + offset)^-exponent. Offset 0 is
 * plain Zipf, exponent 0 the uniform distribution. Exact, by a table of sums and bisection.
 *
 * @throws ShardChainError `BAD_SETTING`
 */
export function createZipf(options: {
  readonly count: number;
  readonly exponent: number;
  readonly offset?: number;
}): RankSampler {
  const { count, exponent, offset = 0 } = options;
  check("zipf count", count, Number.isInteger(count) && count >= 1, "a whole number >= 1");
  check("zipf exponent", exponent, exponent >= 0 && exponent < 20, "in 0..20");
  check("zipf offset", offset, offset >= 0 && Number.isFinite(offset), "finite and >= 0");
  const sums = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) {
    sum += (rank + 1 + offset) ** -exponent;
    sums[rank] = sum;
  }
  return { count, sample: (prng) => firstAbove(sums, prng.nextFloat() * sum) };
}

/** Index of the first sum above `wanted`. */
function firstAbove(sums: Float64Array, wanted: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] as number) > wanted) high = middle;
    else low = middle + 1;
  }
  return low;
}

function check(setting: string, value: number, isValid: boolean, expected: string): void {
  if (isValid) return;
  throw new ShardChainError(`${setting} must be ${expected}, got ${value}`, {
    code: "BAD_SETTING",
    setting,
    value,
    expected,
  });
}
