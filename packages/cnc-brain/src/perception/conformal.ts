import { requireSetting } from "../errors.ts";
import { histogramForecast } from "./histogram-forecast.ts";

/** An interval that should hold the next value. */
export interface Interval {
  low: number;
  high: number;
}

/**
 * Intervals around any forecaster's predictions that hold their share of the values.
 *
 * Split conformal: half the width is the (n + 1)(1 - alpha)-th of the last n absolute errors, which
 * holds exactly as often as asked when errors are exchangeable. Adaptive: alpha itself is steered
 * by what was missed, so that the share holds in the long run whatever the series does.
 *
 * @see Vovk et al. 2005, Algorithmic Learning in a Random World; Gibbs, Candes 2021, Adaptive
 *      Conformal Inference Under Distribution Shift
 */
export class ConformalIntervals {
  readonly #errors: ReturnType<typeof histogramForecast>;
  readonly #window: number;
  readonly #miss: number;
  readonly #step: number;
  #alpha: number;
  #count = 0;

  /**
   * @param coverage share of values that intervals shall hold
   * @param window errors that are remembered
   * @param step of the adaptation; 0: plain split conformal
   */
  constructor({ coverage, window = 500, step = 0.01 }: ConformalOptions) {
    requireSetting(coverage > 0 && coverage < 1, "coverage", coverage, "between 0 and 1");
    requireSetting(step >= 0 && step < 1, "step", step, "in 0..1");
    this.#errors = histogramForecast(window);
    this.#window = window;
    this.#miss = 1 - coverage;
    this.#alpha = this.#miss;
    this.#step = step;
  }

  /** Around a prediction of something that is not negative; everything while nothing is known. */
  around(prediction: number): Interval {
    const n = Math.min(this.#count, this.#window);
    const share = ((n + 1) * (1 - this.#alpha)) / Math.max(1, n);
    if (n === 0 || share > 1) return { low: 0, high: Number.POSITIVE_INFINITY };
    const half = share <= 0 ? 0 : this.#errors.quantile(share);
    return { low: Math.max(0, prediction - half), high: prediction + half };
  }

  /** What came true; call it after `around` with the same prediction. */
  observe(prediction: number, value: number): void {
    const { low, high } = this.around(prediction);
    const isMissed = value < low || value > high;
    this.#alpha += this.#step * (this.#miss - (isMissed ? 1 : 0));
    this.#errors.observe(Math.abs(value - prediction));
    this.#count++;
  }
}

/** Settings of `ConformalIntervals`. */
export interface ConformalOptions {
  coverage: number;
  window?: number;
  step?: number;
}
