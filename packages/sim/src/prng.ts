import { SimError } from "./errors.ts";
import { splitmix64, streamKey } from "./splitmix64.ts";
import { nextXoshiro128, type Xoshiro128State } from "./xoshiro128.ts";

const TWO_32 = 2 ** 32;
const TWO_53 = 2 ** 53;

/**
 * A seeded stream of random numbers: the only source of randomness in a research package.
 *
 * Equal seed and stream give equal numbers on every machine. Draws that do not belong together
 * should come from different streams (`fork`), so that one more draw here does not shift everything
 * there.
 */
export interface Prng {
  /** An integer in [0, 2^32). */
  nextUint32(): number;
  /** A float in [0, 1), one of 2^53 equally likely multiples of 2^-53. */
  nextFloat(): number;
  /**
   * An integer in [0, bound), without modulo bias.
   *
   * @param bound integer, 1..2^53
   * @throws SimError `BAD_RANGE`
   */
  nextInt(bound: number): number;
  /**
   * A normally distributed number (polar method).
   *
   * @throws SimError `BAD_RANGE` for a negative or non-finite standard deviation
   */
  normal(mean?: number, standardDeviation?: number): number;
  /**
   * An exponentially distributed number: the wait for the next event of a Poisson process.
   *
   * @param mean in the caller's unit, > 0
   * @throws SimError `BAD_RANGE`
   */
  exponential(mean?: number): number;
  /**
   * True with the given probability.
   *
   * @throws SimError `BAD_RANGE` unless 0 <= probability <= 1
   */
  chance(probability: number): boolean;
  /** A shuffled copy; every order is equally likely (Fisher and Yates). */
  shuffle<T>(items: readonly T[]): T[];
  /**
   * One of the items, each equally likely.
   *
   * @throws SimError `EMPTY_CHOICE`
   */
  pick<T>(items: readonly T[]): T;
  /**
   * The independent stream named `label` below this one. Depends on seed and labels only, not on
   * what was drawn so far: forking the same label twice gives the same stream twice.
   */
  fork(label: string | number): Prng;
}

/**
 * A generator for a seed and, if given, a named stream of it: `createPrng(ctx.seed, "arrivals")`.
 *
 * xoshiro128** whose state SplitMix64 fills from (seed, labels).
 *
 * @param seed safe non-negative integer, or a bigint in [0, 2^64)
 * @throws SimError `BAD_SEED`
 */
export function createPrng(seed: number | bigint, stream?: string): Prng {
  const valid = typeof seed === "bigint" ? seed >= 0n && seed >> 64n === 0n : isSafeSeed(seed);
  if (!valid) {
    throw new SimError(
      `a seed must be a safe non-negative integer or a bigint below 2^64, got ${seed}`,
      { code: "BAD_SEED", seed },
    );
  }
  const root = BigInt(seed);
  return new KeyedPrng(stream === undefined ? root : streamKey(root, stream));
}

function isSafeSeed(seed: number): boolean {
  return Number.isSafeInteger(seed) && seed >= 0;
}

class KeyedPrng implements Prng {
  readonly #key: bigint;
  readonly #state: Xoshiro128State;
  /** The polar method makes two numbers at a time; the second waits here. */
  #spareNormal: number | undefined;

  constructor(key: bigint) {
    this.#key = key;
    this.#state = initialState(key);
  }

  nextUint32(): number {
    return nextXoshiro128(this.#state);
  }

  nextFloat(): number {
    return this.#next53() / TWO_53;
  }

  nextInt(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > TWO_53) {
      throw badRange("bound", bound, "an integer in 1..2^53");
    }
    const wide = bound > TWO_32;
    const range = wide ? TWO_53 : TWO_32;
    // Draws at or above the largest multiple of `bound` would favour small results: draw again.
    const limit = range - (range % bound);
    for (;;) {
      const drawn = wide ? this.#next53() : this.nextUint32();
      if (drawn < limit) return drawn % bound;
    }
  }

  normal(mean = 0, standardDeviation = 1): number {
    if (!(standardDeviation >= 0 && Number.isFinite(standardDeviation))) {
      throw badRange("standardDeviation", standardDeviation, "finite and >= 0");
    }
    return mean + standardDeviation * this.#standardNormal();
  }

  exponential(mean = 1): number {
    if (!(mean > 0 && Number.isFinite(mean))) throw badRange("mean", mean, "finite and > 0");
    // 1 - u lies in (0, 1], so the logarithm is finite.
    return -mean * Math.log(1 - this.nextFloat());
  }

  chance(probability: number): boolean {
    if (!(probability >= 0 && probability <= 1)) {
      throw badRange("probability", probability, "in 0..1");
    }
    return this.nextFloat() < probability;
  }

  shuffle<T>(items: readonly T[]): T[] {
    const order = [...items];
    for (let last = order.length - 1; last > 0; last--) {
      const other = this.nextInt(last + 1);
      const kept = order[last] as T;
      order[last] = order[other] as T;
      order[other] = kept;
    }
    return order;
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) {
      throw new SimError("cannot pick from an empty list", { code: "EMPTY_CHOICE" });
    }
    return items[this.nextInt(items.length)] as T;
  }

  fork(label: string | number): Prng {
    return new KeyedPrng(streamKey(this.#key, String(label)));
  }

  #next53(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return high * 2 ** 26 + low;
  }

  /** @see Marsaglia and Bray 1964, A Convenient Method for Generating Normal Variables */
  #standardNormal(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    for (;;) {
      const x = 2 * this.nextFloat() - 1;
      const y = 2 * this.nextFloat() - 1;
      const s = x * x + y * y;
      if (s > 0 && s < 1) {
        const scale = Math.sqrt((-2 * Math.log(s)) / s);
        this.#spareNormal = y * scale;
        return x * scale;
      }
    }
  }
}

function initialState(key: bigint): Xoshiro128State {
  const [first = 0n, second = 0n] = splitmix64(key, 2);
  const low = (word: bigint) => Number(word & 0xffffffffn);
  const high = (word: bigint) => Number(word >> 32n);
  // SplitMix64 is a bijection of its counter: two outputs in a row differ, so one is not zero.
  return [low(first), high(first), low(second), high(second)];
}

function badRange(name: string, value: number, expected: string): SimError {
  return new SimError(`${name} must be ${expected}, got ${value}`, {
    code: "BAD_RANGE",
    name,
    value,
  });
}
