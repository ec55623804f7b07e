import type { Routing, RoutingShape } from "../offload/routing.ts";

/** Matrices kept at most; MoE-Infinity's collection holds some hundreds. */
export const COLLECTION_MAX = 128;

/**
 * MoE-Infinity's activation matrices: counts `[layer, expert]` of one sequence each. The matrix of
 * the running sequence is compared with a collection of finished ones; the most similar one is what
 * the rest of the sequence is expected to look like. Similarity is the mean over layers of the
 * cosine between rows; a row without uses counts 0. Keeping it up to date takes
 * `O(collection * top-k)` per layer and token.
 *
 * A finished sequence joins the collection while there is room; then it replaces the one that was
 * the best match least often, never one that was given at the start.
 *
 * @see MoE-Infinity, arXiv 2401.14361; released code: expert_tracer.py
 */
export class ActivationHistory {
  #expertCount: number;
  #layerCount: number;
  #capacity: number;
  #collection: Float32Array[] = [];
  #givenCount: number;
  /** By collected matrix: how often it was the best match, counted once per token. */
  #matches: Float64Array;
  /** By collected matrix and layer: dot product with the running row. */
  #dots: Float64Array;
  #norms: Float64Array;
  /** By collected matrix: sum over layers of the cosines. */
  #similarity: Float64Array;
  #running: Float32Array;
  /** By layer: squared length of the running row. */
  #lengths: Float64Array;
  #isEmpty = true;
  #best = -1;

  /** @param given  matrices of earlier sequences, `[layerCount * expertCount]` each */
  constructor(shape: RoutingShape, given: readonly Float32Array[] = []) {
    this.#expertCount = shape.expertCount;
    this.#layerCount = shape.layerCount;
    this.#capacity = Math.max(COLLECTION_MAX, given.length);
    this.#matches = new Float64Array(this.#capacity);
    this.#dots = new Float64Array(this.#capacity * shape.layerCount);
    this.#norms = new Float64Array(this.#capacity * shape.layerCount);
    this.#similarity = new Float64Array(this.#capacity);
    this.#running = new Float32Array(shape.layerCount * shape.expertCount);
    this.#lengths = new Float64Array(shape.layerCount);
    this.#givenCount = given.length;
    for (const [index, matrix] of given.entries()) this.#keep(index, matrix);
  }

  /**
   * The matrix that the running sequence resembles most, else its own; undefined before the first
   * token. `[layerCount * expertCount]`, not to be changed.
   */
  get expected(): Float32Array | undefined {
    return this.#collection[this.#best] ?? (this.#isEmpty ? undefined : this.#running);
  }

  /** Takes in what one layer chose; position 0 in the first layer ends the sequence before. */
  observe({ experts, layer, position }: Routing, isFirstLayer: boolean): void {
    if (isFirstLayer && position === 0) this.#finish();
    const base = layer * this.#expertCount;
    const before = this.#lengths[layer] ?? 0;
    let length = before;
    for (const expert of experts) {
      const uses = this.#running[base + expert] ?? 0;
      length += 2 * uses + 1;
      this.#running[base + expert] = uses + 1;
    }
    this.#lengths[layer] = length;
    this.#isEmpty = false;
    this.#compare(layer, base, experts, before, length);
    if (isFirstLayer && this.#best >= 0) {
      this.#matches[this.#best] = (this.#matches[this.#best] ?? 0) + 1;
    }
  }

  #compare(layer: number, base: number, experts: Int32Array, before: number, length: number): void {
    let best = -1;
    let highest = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < this.#collection.length; index++) {
      const matrix = this.#collection[index];
      const at = index * this.#layerCount + layer;
      const norm = this.#norms[at] ?? 0;
      const old = this.#dots[at] ?? 0;
      let dot = old;
      for (const expert of experts) dot += matrix?.[base + expert] ?? 0;
      this.#dots[at] = dot;
      const was = before > 0 && norm > 0 ? old / Math.sqrt(before * norm) : 0;
      const is = norm > 0 ? dot / Math.sqrt(length * norm) : 0;
      const similarity = (this.#similarity[index] ?? 0) + is - was;
      this.#similarity[index] = similarity;
      if (similarity > highest) {
        best = index;
        highest = similarity;
      }
    }
    this.#best = best;
  }

  #finish(): void {
    if (!this.#isEmpty) {
      const index = this.#place();
      if (index >= 0) this.#keep(index, this.#running);
      this.#running = new Float32Array(this.#running.length);
    }
    this.#isEmpty = true;
    this.#best = -1;
    this.#dots.fill(0);
    this.#similarity.fill(0);
    this.#lengths.fill(0);
  }

  /** Where the finished matrix goes; -1 when every place holds a given one. */
  #place(): number {
    if (this.#collection.length < this.#capacity) return this.#collection.length;
    let least = -1;
    for (let index = this.#givenCount; index < this.#capacity; index++) {
      if (least < 0 || (this.#matches[index] ?? 0) < (this.#matches[least] ?? 0)) least = index;
    }
    return least;
  }

  #keep(index: number, matrix: Float32Array): void {
    this.#collection[index] = matrix;
    this.#matches[index] = 1;
    for (let layer = 0; layer < this.#layerCount; layer++) {
      let length = 0;
      for (let expert = 0; expert < this.#expertCount; expert++) {
        length += (matrix[layer * this.#expertCount + expert] ?? 0) ** 2;
      }
      this.#norms[index * this.#layerCount + layer] = length;
    }
  }
}
