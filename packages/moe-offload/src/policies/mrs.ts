import type { ExpertKey, Routing } from "../offload/routing.ts";
import { rankExperts } from "../predictors/rank-experts.ts";
import { allocateEqually } from "./allocation.ts";
import { indexOfLowest } from "./lowest.ts";
import type { ExpertPolicy, PolicyContext, PolicyDefinition } from "./policy.ts";

/** Weight of the newest score. @see HybriMoE's code, KScoreAwareCache(.., 0.5, 2 * top_k) */
const RATE = 0.5;

/**
 * Keeps the experts that the router scored highest lately, chosen or not. After each token of a
 * layer every expert's estimate becomes `RATE * TopP(s) + (1 - RATE) * estimate`, where TopP keeps
 * the `2 * top-k` highest router probabilities and is 0 for all others; the lowest leaves.
 *
 * The released code writes the top scores, sorted by value, to the top experts, sorted by number;
 * here each expert gets its own score, as the paper says.
 */
export const mrs: PolicyDefinition = {
  name: "mrs",
  help: "Each layer keeps the experts with the highest average of recent top router scores.",
  source: "HybriMoE, DAC 2025, arXiv 2504.05897, minus recent score; rate and p from its code",
  allocate: allocateEqually,
  create: (context) => new MrsPolicy(context),
};

class MrsPolicy implements ExpertPolicy {
  readonly allResident = false;
  #expertCount: number;
  /** By key: the estimate. */
  #score: Float64Array;
  #top: Int32Array;

  constructor({ shape }: PolicyContext) {
    this.#expertCount = shape.expertCount;
    this.#score = new Float64Array(shape.layerCount * shape.expertCount);
    this.#top = new Int32Array(Math.min(shape.expertCount, 2 * shape.expertUsedCount));
  }

  onRouting({ layer, probabilities }: Routing): void {
    const base = layer * this.#expertCount;
    for (let expert = 0; expert < this.#expertCount; expert++) {
      this.#score[base + expert] = (1 - RATE) * (this.#score[base + expert] ?? 0);
    }
    const count = rankExperts(probabilities, this.#top.length, this.#top);
    for (let i = 0; i < count; i++) {
      const expert = this.#top[i] ?? 0;
      const gained = RATE * (probabilities[expert] ?? 0);
      this.#score[base + expert] = (this.#score[base + expert] ?? 0) + gained;
    }
  }

  victim(_incoming: ExpertKey, candidates: Int32Array, count: number): number {
    return indexOfLowest(this.#score, candidates, count);
  }
}
