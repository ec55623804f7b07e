import type { ExpertKey, RoutingShape } from "../offload/routing.ts";
import { TraceRouting } from "../shapes/trace-routing.ts";
import type { Trace } from "../traces/trace.ts";

/**
 * What the tokens of prompts choose, and what a cross-layer gate says one layer before, taken from
 * a trace. The last layer computes the last token alone.
 */
export class PrefillTexts {
  readonly shape: RoutingShape;
  readonly count: number;
  readonly #routing: TraceRouting;
  readonly #promptTokens: number;
  readonly #gates = new Map<number, ReadonlyMap<number, readonly ExpertKey[]>>();

  /** @param promptTokens  of each text's tokens, those that make the prompt */
  constructor(trace: Trace, shape: RoutingShape, promptTokens: number) {
    this.shape = shape;
    this.#routing = new TraceRouting(trace, shape);
    this.count = this.#routing.sequences.length;
    this.#promptTokens = promptTokens;
  }

  /** Tokens that reach the experts of a layer. */
  tokensAt(layer: number): number {
    return layer === this.shape.layerCount - 1 ? 1 : this.#promptTokens;
  }

  /** The experts that a text's tokens choose in a layer, `[tokens, used]`. */
  chosen(text: number, layer: number): Int32Array {
    const out = new Int32Array(this.tokensAt(layer) * this.shape.expertUsedCount);
    this.replace(text, layer, out);
    return out;
  }

  /** Overwrites what a router chose for the last tokens of a prompt, `[tokens, used]`. */
  replace(text: number, layer: number, chosen: Int32Array): void {
    const tokens = chosen.length / this.shape.expertUsedCount;
    const span = this.#routing.span(text, this.#promptTokens - tokens, tokens);
    this.#routing.promptExperts(layer, span, chosen);
  }

  /**
   * The experts of a layer that the gate one layer before says the prompt will use: the model's own
   * number for each token, those that most tokens want first. None of the first layer.
   *
   * @see Fang et al. 2025, arXiv:2502.12224 (Fate), released code: `k' = top_k` for prompts,
   *      "popularity order"
   */
  predicted(text: number, layer: number): readonly ExpertKey[] {
    let gates = this.#gates.get(text);
    if (!gates) {
      gates = this.#gatesOf(text);
      this.#gates.set(text, gates);
    }
    return gates.get(layer) ?? [];
  }

  #gatesOf(text: number): ReadonlyMap<number, readonly ExpertKey[]> {
    const { expertCount, expertUsedCount, moeLayers } = this.shape;
    const gates = new Map<number, readonly ExpertKey[]>();
    for (const [index, layer] of moeLayers.slice(1).entries()) {
      const before = moeLayers[index] ?? 0;
      const tokens = this.tokensAt(layer);
      const span = this.#routing.span(text, this.#promptTokens - tokens, tokens);
      const logits = new Float32Array(tokens * expertCount);
      this.#routing.promptAhead(before, layer - before, span, logits);
      const counts = countTop(logits, expertCount, expertUsedCount);
      const keys = Array.from(counts, (count, expert) => ({
        count,
        key: layer * expertCount + expert,
      }))
        .filter(({ count }) => count > 0)
        .sort((a, b) => b.count - a.count || a.key - b.key)
        .map(({ key }) => key);
      gates.set(layer, keys);
    }
    return gates;
  }
}

/** By expert: tokens that rank it among their best `used`. */
function countTop(logits: Float32Array, expertCount: number, used: number): Int32Array {
  const counts = new Int32Array(expertCount);
  for (let first = 0; first < logits.length; first += expertCount) {
    const row = logits.subarray(first, first + expertCount);
    const threshold = Float32Array.from(row).sort()[expertCount - used] ?? 0;
    let left = used;
    for (let expert = 0; expert < expertCount && left > 0; expert++) {
      if ((row[expert] ?? 0) < threshold) continue;
      counts[expert] = (counts[expert] ?? 0) + 1;
      left--;
    }
  }
  return counts;
}
