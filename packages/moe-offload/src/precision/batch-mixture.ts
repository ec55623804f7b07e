import type { ExpertKey, RoutingShape } from "../offload/routing.ts";
import { chooseUnpopular } from "./rules.ts";
import { twinKeyBase } from "./twin-ranges.ts";

/**
 * Fate's popularity-aware mixture for batches that are computed expert by expert: of each layer the
 * experts that the fewest tokens chose are loaded as their twins. Unlike Fate it need not predict
 * who is popular, because here a layer's tokens are routed before its experts are demanded. What is
 * in memory in full anyway is computed in full, since nothing has to be loaded for it.
 *
 * The first layer with experts stays in full precision, as does one that a single token reaches:
 * among its experts none is more popular than another.
 *
 * @see Fate_open (`int2_rate`; layer 0 stays fp16)
 */
export class BatchMixture {
  /** Uses of experts so far, and those of them in low precision. */
  readonly counts = { uses: 0, low: 0 };
  readonly #shape: RoutingShape;
  readonly #rate: number;
  /** `[layerCount * expertCount]`: 1 for what the newest batch computes in low precision. */
  readonly #isLow: Uint8Array;
  readonly #chosen: Float64Array;
  readonly #unpopular: Uint8Array;

  /** @param rate  share of a layer's uses that may be of low precision, 0..1 */
  constructor(shape: RoutingShape, rate: number) {
    this.#shape = shape;
    this.#rate = rate;
    this.#isLow = new Uint8Array(twinKeyBase(shape));
    this.#chosen = new Float64Array(shape.expertCount);
    this.#unpopular = new Uint8Array(shape.expertCount);
  }

  /**
   * Decides for a layer whose tokens have been routed.
   *
   * @param experts  what they chose, `[tokens * expertUsedCount]`
   * @param isThere  whether an expert is in memory in full, or will be whatever is decided
   */
  choose(layer: number, experts: Int32Array, isThere: (key: ExpertKey) => boolean): void {
    const { expertCount, expertUsedCount } = this.#shape;
    const first = layer * expertCount;
    this.#chosen.fill(0);
    for (const expert of experts) this.#chosen[expert] = (this.#chosen[expert] ?? 0) + 1;
    this.#findUnpopular(layer, this.#chosen, experts.length / expertUsedCount);
    for (let expert = 0; expert < expertCount; expert++) {
      const isLow = this.#unpopular[expert] === 1 && !isThere(first + expert);
      this.#isLow[first + expert] = isLow ? 1 : 0;
      if (isLow) this.counts.low += this.#chosen[expert] ?? 0;
    }
    this.counts.uses += experts.length;
  }

  /** The key of what the newest batch computes: an expert, or its twin. */
  keyOf(layer: number, expert: number): ExpertKey {
    const key = layer * this.#shape.expertCount + expert;
    return this.#isLow[key] === 1 ? key + twinKeyBase(this.#shape) : key;
  }

  /** True when the newest batch computes the expert in low precision. */
  isLow(layer: number, expert: number): boolean {
    return this.#isLow[layer * this.#shape.expertCount + expert] === 1;
  }

  /**
   * What is expected of a layer, with the twins of experts that will probably be unpopular.
   *
   * @param keys    full experts of the layer
   * @param uses    of each expert on earlier text, `[layerCount * expertCount]`
   * @param tokens  that will reach the layer
   */
  expected(layer: number, keys: readonly ExpertKey[], uses: Float64Array, tokens: number) {
    const { expertCount } = this.#shape;
    const first = layer * expertCount;
    this.#findUnpopular(layer, uses.subarray(first, first + expertCount), tokens);
    const base = twinKeyBase(this.#shape);
    return keys.map((key) => (this.#unpopular[key - first] === 1 ? key + base : key));
  }

  #findUnpopular(layer: number, counts: Float64Array, tokens: number): void {
    const isFull = layer === this.#shape.moeLayers[0] || tokens <= 1;
    chooseUnpopular(counts, isFull ? 0 : this.#rate, this.#unpopular);
  }
}
