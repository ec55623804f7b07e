import type { Routing } from "../offload/routing.ts";
import type { Trace } from "./trace.ts";

/**
 * Reads a trace as the engine would tell of it: one `Routing` object, filled again for each layer
 * of each token. Where a trace has no probabilities, the chosen experts get equal shares of 1.
 */
export class RoutingCursor {
  readonly #trace: Trace;
  readonly #routing: Routing;
  readonly #ahead: Float32Array[];
  /** By layer index: the first so many rows of `#ahead`. */
  readonly #aheadOf: readonly (readonly Float32Array[])[];

  constructor(trace: Trace) {
    const { shape, aheadDepth } = trace;
    this.#trace = trace;
    const depth = trace.ahead === undefined ? 0 : aheadDepth;
    this.#ahead = Array.from({ length: depth }, () => new Float32Array(shape.expertCount));
    this.#aheadOf = shape.moeLayers.map((layer) => {
      const later = shape.layerCount - 1 - layer;
      return this.#ahead.slice(0, Math.min(depth, later));
    });
    this.#routing = {
      layer: 0,
      token: 0,
      position: 0,
      experts: new Int32Array(shape.expertUsedCount),
      probabilities: new Float32Array(shape.expertCount),
      ahead: [],
    };
  }

  /**
   * The routing of one layer of one token; valid until the next call.
   *
   * @param index  place of the layer in `shape.moeLayers`
   */
  at(token: number, index: number): Routing {
    const { shape, experts, positions } = this.#trace;
    const routing = this.#routing;
    const used = shape.expertUsedCount;
    const row = token * shape.moeLayers.length + index;
    routing.layer = shape.moeLayers[index] ?? 0;
    routing.token = token;
    routing.position = positions[token] ?? 0;
    for (let i = 0; i < used; i++) routing.experts[i] = experts[row * used + i] ?? 0;
    this.#readProbabilities(row);
    const ahead = this.#aheadOf[index] ?? [];
    routing.ahead = ahead;
    if (ahead.length > 0) this.#readAhead(row, ahead.length);
    return routing;
  }

  #readProbabilities(row: number): void {
    const { shape, probabilities } = this.#trace;
    const into = this.#routing.probabilities;
    const count = shape.expertCount;
    if (probabilities !== undefined) {
      const base = row * count;
      for (let i = 0; i < count; i++) into[i] = probabilities[base + i] ?? 0;
      return;
    }
    into.fill(0);
    for (const expert of this.#routing.experts) into[expert] = 1 / shape.expertUsedCount;
  }

  #readAhead(row: number, depth: number): void {
    const { shape, ahead, aheadDepth } = this.#trace;
    if (ahead === undefined) return;
    for (let d = 0; d < depth; d++) {
      const into = this.#ahead[d];
      if (into === undefined) continue;
      const base = (row * aheadDepth + d) * shape.expertCount;
      for (let i = 0; i < shape.expertCount; i++) into[i] = ahead[base + i] ?? 0;
    }
  }
}
