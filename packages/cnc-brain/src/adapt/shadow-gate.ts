import { requireSetting } from "../errors.ts";
import { ConfidenceSequence } from "./confidence-sequence.ts";

/** Settings of the gate. */
export interface GateOptions {
  /** Chance that a candidate without advantage ever acts. */
  alpha: number;
  /** Comparisons before the first opening. */
  minComparisons: number;
  /** A candidate that has not shown an advantage after so many is given up. */
  maxComparisons: number;
  /**
   * What an acting candidate may lose to the fall-back, summed over comparisons (cost of a request
   * times requests), before it is stopped whatever its bound says.
   */
  lossBudget: number;
}

/** What became of the gate by one comparison. */
export type GateStep = "shadow" | "opened" | "acting" | "closed" | "given-up";

/**
 * Lets a candidate policy act only where the lower confidence bound of its advantage over the
 * fall-back is above 0. Both are compared in a shadow (a digital twin) on the same requests; while
 * the candidate acts the comparison goes on, and it is stopped as soon as the bound is not above 0
 * any more, or its losses since it opened exceed the budget. So what a bad candidate can cost is
 * the budget and one comparison more.
 */
export class ShadowGate {
  readonly #options: GateOptions;
  #evidence: ConfidenceSequence;
  #isOpen = false;
  #lost = 0;
  /** The most that was lost in one time of acting. */
  worstLoss = 0;

  /** @throws CncError `BAD_SETTING` */
  constructor(options: GateOptions) {
    const { lossBudget, minComparisons, maxComparisons } = options;
    requireSetting(lossBudget > 0, "lossBudget", lossBudget, "above 0");
    const isOrdered = maxComparisons >= minComparisons;
    requireSetting(isOrdered, "maxComparisons", maxComparisons, `at least ${minComparisons}`);
    this.#options = options;
    this.#evidence = this.#begin();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get comparisons(): number {
    return this.#evidence.count;
  }

  /** Mean advantage so far, cost of a request. */
  get advantage(): number {
    return this.#evidence.mean;
  }

  /** Lower confidence bound of the advantage; -Infinity while unknown. */
  get lowerBound(): number {
    return this.#evidence.lower;
  }

  /**
   * Takes one comparison.
   *
   * @param advantage cost of the fall-back less the candidate's, mean of a request
   * @param requests how many requests were compared
   */
  compare(advantage: number, requests: number): GateStep {
    this.#evidence.add(advantage);
    if (this.#isOpen) {
      this.#lost = Math.max(0, this.#lost - advantage * requests);
      this.worstLoss = Math.max(this.worstLoss, this.#lost);
      if (this.#lost > this.#options.lossBudget) {
        this.reset();
        return "closed";
      }
      // What was seen stays true: it may open again without being shown anew.
      this.#isOpen = this.lowerBound > 0;
      return this.#isOpen ? "acting" : "closed";
    }
    if (this.lowerBound > 0) {
      this.#isOpen = true;
      this.#lost = 0;
      return "opened";
    }
    const isHopeless =
      this.comparisons >= this.#options.maxComparisons || this.#evidence.upper <= 0;
    if (!isHopeless) return "shadow";
    this.reset();
    return "given-up";
  }

  /** Closes, and forgets all evidence: after a shift, or for a new candidate. */
  reset(): void {
    this.#isOpen = false;
    this.#lost = 0;
    this.#evidence = this.#begin();
  }

  #begin(): ConfidenceSequence {
    const { alpha, minComparisons } = this.#options;
    const minValues = Math.max(2, minComparisons);
    return new ConfidenceSequence({ alpha, tightestAt: 4 * minValues, minValues });
  }
}
