import { requireSetting } from "../errors.ts";

/** Settings of a confidence sequence. */
export interface ConfidenceOptions {
  /** Chance that the true mean ever lies below the bound. */
  alpha: number;
  /** Number of values at which the bound is about tightest; chosen, valid for any. */
  tightestAt: number;
  /** Values before there is a bound: the variance has to be known. */
  minValues: number;
}

/**
 * Lower and upper bounds of a mean that hold at all times at once, so that one may look after every
 * value and act on what one sees. Asymptotic: exact as the values become many.
 *
 * @see Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas 2021, Time-uniform central limit theory and
 *   asymptotic confidence sequences, the one-sided bound: mean - sd sqrt(2 (n r^2 + 1) / (n r)^2
 *   ln(1 + sqrt(n r^2 + 1) / (2 alpha)))
 */
export class ConfidenceSequence {
  readonly #options: ConfidenceOptions;
  readonly #rho2: number;
  #count = 0;
  #mean = 0;
  #squares = 0;

  /** @throws CncError `BAD_SETTING` */
  constructor(options: ConfidenceOptions) {
    const { alpha, tightestAt, minValues } = options;
    requireSetting(alpha > 0 && alpha < 0.5, "alpha", alpha, "between 0 and 0.5");
    requireSetting(tightestAt >= 1, "tightestAt", tightestAt, "at least 1");
    requireSetting(minValues >= 2, "minValues", minValues, "at least 2");
    this.#options = options;
    // The paper's choice of rho for a bound that is tightest at a given number of values.
    const log = -2 * Math.log(2 * alpha);
    this.#rho2 = (log + Math.log(1 + log)) / tightestAt;
  }

  get count(): number {
    return this.#count;
  }

  get mean(): number {
    return this.#mean;
  }

  add(value: number): void {
    this.#count++;
    const gap = value - this.#mean;
    this.#mean += gap / this.#count;
    this.#squares += gap * (value - this.#mean);
  }

  /** Lower bound of the mean; -Infinity while there are too few values. */
  get lower(): number {
    return this.#mean - this.#radius();
  }

  /** Upper bound of the mean; each bound has its own chance of error. */
  get upper(): number {
    return this.#mean + this.#radius();
  }

  #radius(): number {
    const n = this.#count;
    const { alpha, minValues } = this.#options;
    if (n < minValues) return Number.POSITIVE_INFINITY;
    const spread = n * this.#rho2 + 1;
    const inner = Math.log(1 + Math.sqrt(spread) / (2 * alpha));
    const deviation = Math.sqrt(this.#squares / (n - 1));
    return deviation * Math.sqrt(((2 * spread) / (n * n * this.#rho2)) * inner);
  }
}
