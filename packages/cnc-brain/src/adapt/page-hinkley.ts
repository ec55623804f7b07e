import { requireSetting } from "../errors.ts";
import type { DriftDetector } from "./drift.ts";

/** Settings of the Page-Hinkley test, with the defaults of MOA and river. */
export interface PageHinkleyOptions {
  /** Values before the test speaks. */
  minValues: number;
  /** Changes smaller than this are not meant. */
  delta: number;
  /** The sum at which a change is called. */
  threshold: number;
  /** How much of the sum is kept at each value. */
  forgetting: number;
  /**
   * `rise`: the sum's rise above its least value counts, as Page has it; `sum`: the sum itself, as
   * MOA has it, which answers later the longer nothing has changed.
   */
  statistic: "rise" | "sum";
}

const DEFAULTS: PageHinkleyOptions = {
  minValues: 30,
  delta: 0.005,
  threshold: 50,
  forgetting: 0.9999,
  statistic: "rise",
};

/**
 * The Page-Hinkley test for a rising mean: deviations from the running mean are summed up, and a
 * sum beyond the threshold is a change. O(1) a value.
 *
 * @see Page 1954, Continuous Inspection Schemes, Biometrika 41; checked against the published
 *   examples of river (`rise`) and of CapyMOA (`sum`)
 * @throws CncError `BAD_SETTING`
 */
export function pageHinkley(options: Partial<PageHinkleyOptions> = {}): DriftDetector {
  const { minValues, delta, threshold, forgetting, statistic } = { ...DEFAULTS, ...options };
  requireSetting(threshold > 0, "threshold", threshold, "above 0");
  requireSetting(forgetting > 0 && forgetting <= 1, "forgetting", forgetting, "in (0, 1]");
  let count = 1;
  let mean = 0;
  let sum = 0;
  let least = Number.POSITIVE_INFINITY;
  const reset = () => {
    count = 1;
    mean = 0;
    sum = 0;
    least = Number.POSITIVE_INFINITY;
  };
  return {
    name: "page-hinkley",
    reset,
    add(value) {
      mean += (value - mean) / count;
      sum = forgetting * sum + (value - mean - delta);
      least = Math.min(least, sum);
      count++;
      const found = statistic === "rise" ? sum - least : sum;
      if (count < minValues || found <= threshold) return false;
      reset();
      return true;
    },
  };
}
