import type { ExpertKey, Routing } from "../offload/routing.ts";
import { ActivationHistory } from "../predictors/activation-history.ts";
import { allocateShared } from "./allocation.ts";
import { indexOfLowest } from "./lowest.ts";
import type { ExpertPolicy, PolicyContext, PolicyDefinition } from "./policy.ts";

/** Added to every probability, so that distance decides between experts never seen. */
const EPSILON = 1e-8;

/**
 * MoE-Infinity's cache: all layers share the slots; who leaves has the lowest
 * `probability * (1 - distance / (L + 1))`. The probability is the expert's share of its layer in
 * the expected activation matrix, the distance the number of layers with experts until its layer
 * comes next: 1 for the next layer, `L` for the current one.
 *
 * `L + 1` and epsilon are the released code's. That code scores layers ahead only; layers already
 * passed count here as those of the next token. Its further factor for encoder-decoder models is
 * left out.
 */
export const moeInfinity: PolicyDefinition = {
  name: "moe-infinity",
  help: "Shared slots; keeps experts that similar sequences used and whose layer comes soon.",
  source: "MoE-Infinity, arXiv 2401.14361; released code: expert_predictor.py, expert_tracer.py",
  learns: true,
  allocate: allocateShared,
  create: (context) => new MoeInfinityPolicy(context),
};

class MoeInfinityPolicy implements ExpertPolicy {
  readonly allResident = false;
  #expertCount: number;
  #history: ActivationHistory;
  /** By layer: its place among the layers with experts, -1 without. */
  #place: Int32Array;
  #moeCount: number;
  #current = 0;
  #routings = 0;
  /** By layer: the sum of its expected row, and the routing it was computed at. */
  #total: Float64Array;
  #summedAt: Float64Array;
  #priority: Float64Array;

  constructor({ activationMatrices, shape }: PolicyContext) {
    this.#expertCount = shape.expertCount;
    this.#history = new ActivationHistory(shape, activationMatrices);
    this.#place = new Int32Array(shape.layerCount).fill(-1);
    shape.moeLayers.forEach((layer, i) => {
      this.#place[layer] = i;
    });
    this.#moeCount = shape.moeLayers.length;
    this.#total = new Float64Array(shape.layerCount);
    this.#summedAt = new Float64Array(shape.layerCount).fill(-1);
    this.#priority = new Float64Array(shape.layerCount * shape.expertCount);
  }

  onRouting(routing: Routing): void {
    this.#current = this.#place[routing.layer] ?? 0;
    this.#routings++;
    this.#history.observe(routing, this.#current === 0);
  }

  victim(_incoming: ExpertKey, candidates: Int32Array, count: number): number {
    const expected = this.#history.expected;
    for (let i = 0; i < count; i++) {
      const key = candidates[i] ?? 0;
      const layer = Math.floor(key / this.#expertCount);
      const total = this.#usesOf(layer, expected);
      const probability = total > 0 ? (expected?.[key] ?? 0) / total : 0;
      this.#priority[key] = (probability + EPSILON) * this.#nearness(layer);
    }
    return indexOfLowest(this.#priority, candidates, count);
  }

  #nearness(layer: number): number {
    const ahead = (this.#place[layer] ?? 0) - this.#current;
    const distance = ahead > 0 ? ahead : ahead + this.#moeCount;
    return 1 - distance / (this.#moeCount + 1);
  }

  /** Sum of a layer's row of the expected matrix, computed once per routing. */
  #usesOf(layer: number, expected: Float32Array | undefined): number {
    if (this.#summedAt[layer] === this.#routings) return this.#total[layer] ?? 0;
    let total = 0;
    for (let expert = 0; expert < this.#expertCount; expert++) {
      total += expected?.[layer * this.#expertCount + expert] ?? 0;
    }
    this.#summedAt[layer] = this.#routings;
    this.#total[layer] = total;
    return total;
  }
}
