import { GraphAllocator, ops, type Tensor } from "@fmlab/ggml";
import type { LayerGraph, Routed } from "../engine/layer-graph.ts";
import { countUses, type TierCounts } from "../precision/mixed-source.ts";
import type { PrecisionRule } from "../precision/rules.ts";
import type { TieredPool } from "../precision/tiered-pool.ts";
import type { EvaluationMachine } from "./evaluation-machine.ts";
import { computeOnce, type GraphBuild, type GraphInput } from "./one-shot-graph.ts";

/** Part of a window that is evaluated together. */
export interface EvaluatedBatch {
  /** Tokens of the whole window. */
  readonly tokens: ArrayLike<number>;
  /** Place of the first token of the batch in the window; what is before it is in the cache. */
  readonly position: number;
  readonly tokenCount: number;
}

/** What the first half of a layer with experts leaves to the second; rows are tokens. */
interface HalfLayer {
  readonly residual: Float32Array; // [tokens, width]
  readonly normed: Float32Array; // [tokens, width]
  readonly weights: Float32Array; // [tokens, used]
  readonly sharedGate: Float32Array | undefined; // [tokens]
  readonly experts: Int32Array; // [tokens, used]
  readonly probabilities: Float32Array; // [tokens, experts]
  readonly ahead: readonly Float32Array[]; // [tokens, experts] each
}

/**
 * Evaluates many tokens at once as a prefill does, layer by layer, and lets a rule choose the
 * precision of each use of an expert between the router and the experts of each layer.
 */
export class BatchEvaluator {
  readonly #machine: EvaluationMachine["machine"];
  readonly #tiered: TieredPool;
  readonly #allocator: GraphAllocator;

  constructor(machine: EvaluationMachine["machine"], tiered: TieredPool) {
    this.#machine = machine;
    this.#tiered = tiered;
    this.#allocator = new GraphAllocator(machine.device);
  }

  /**
   * Evaluates a batch that follows what is in the cache.
   *
   * @param counts  uses by precision are added
   * @returns what the last layer gives to the head, `[tokenCount, width]`
   */
  evaluate(batch: EvaluatedBatch, rule: PrecisionRule, counts: TierCounts): Float32Array {
    const { context, model } = this.#machine;
    const { position, tokenCount, tokens } = batch;
    context.enter(tokens, position, tokenCount, position);
    const tiers = new Uint8Array(tokenCount * model.expertUsedCount);
    let x: Float32Array | undefined;
    for (let layer = 0; layer < model.layerCount; layer++) {
      const half = this.#attend(layer, batch, x);
      if (half instanceof Float32Array) {
        x = half;
        continue;
      }
      const { ahead, experts, probabilities } = half;
      const routing = { layer, token: position, position, experts, probabilities, ahead };
      rule.choose({ ...routing, tokenCount }, tiers);
      countUses(counts, this.#tiered, layer, tiers);
      x = this.#computeExperts(layer, half, tiers);
    }
    return x ?? new Float32Array(0);
  }

  /**
   * Logits of rows that an evaluation gave.
   * @param hidden  `[tokens, width]`
   * @returns `[tokens, vocabulary]`
   */
  logits(hidden: Float32Array): Float32Array {
    const { embeddingLength: width } = this.#machine.model;
    const tokenCount = hidden.length / width;
    const [logits] = this.#compute({ tokenCount }, (graph, _arena, input) => [
      graph.head(input([width, tokenCount], hidden)),
    ]);
    return logits as Float32Array;
  }

  /** Frees the memory that batches share. */
  close(): void {
    this.#allocator.close();
  }

  /** Attention and router; of a layer without experts its output, `[tokens, width]`. */
  #attend(
    layer: number,
    { position, tokenCount }: EvaluatedBatch,
    x: Float32Array | undefined,
  ): HalfLayer | Float32Array {
    const { aheadDepth, model } = this.#machine;
    let routed: Routed | undefined;
    const results = this.#compute({ tokenCount, position }, (graph, _arena, input) => {
      const state = x ? input([model.embeddingLength, tokenCount], x) : graph.embed();
      const attended = graph.attention(layer, state);
      if (graph.isDense(layer)) return [graph.dense(layer, attended)];
      routed = graph.route(layer, attended.normed, aheadDepth);
      const { ahead, probabilities, sharedGate, sorted, weights } = routed;
      const always = [attended.residual, attended.normed, weights, probabilities, sorted];
      return [...always, ...(sharedGate ? [sharedGate] : []), ...ahead];
    });
    const [residual, normed, weights, probabilities, sorted, ...rest] = results as Float32Array[];
    if (!routed || !residual || !normed || !weights || !probabilities || !sorted) {
      return residual ?? new Float32Array(0);
    }
    const experts = firstOfRows(sorted, model.expertCount, model.expertUsedCount);
    const sharedGate = routed.sharedGate ? rest.shift() : undefined;
    return { residual, normed, weights, sharedGate, experts, probabilities, ahead: rest };
  }

  #computeExperts(layer: number, half: HalfLayer, tiers: Uint8Array): Float32Array {
    const { embeddingLength: width, expertUsedCount: used } = this.#machine.model;
    const tokenCount = half.residual.length / width;
    const [output] = this.#compute({ tokenCount }, (graph, arena, input) => {
      const normed = input([width, tokenCount], half.normed);
      const residual = input([width, tokenCount], half.residual);
      const weights = input([1, used, tokenCount], half.weights);
      const gate = half.sharedGate && input([1, tokenCount], half.sharedGate);
      const x = ops.reshape(arena, normed, [width, 1, tokenCount]);
      const ids = input([used, tokenCount], half.experts);
      const rowsOf = (tier: number) =>
        graph.expertRows(x, ids, this.#tiered.layerTensors(arena, tier, layer));
      const rows = blend(arena, input, rowsOf, tiers, [1, used, tokenCount]);
      const shared = graph.shared(layer, normed, gate);
      return [graph.combine(layer, { residual }, rows, weights, shared)];
    });
    return output as Float32Array;
  }

  #compute(place: { tokenCount: number; position?: number }, build: GraphBuild) {
    return computeOnce(this.#machine, this.#allocator, place, build);
  }
}

/**
 * The outputs of experts, each in its precision, `[width, used, tokens]`. With several precisions
 * all uses are computed in each and multiplied by 1 or 0, which changes no bit of what is kept.
 */
function blend(
  arena: Parameters<GraphBuild>[1],
  input: GraphInput,
  rowsOf: (tier: number) => ReturnType<LayerGraph["expertRows"]>,
  tiers: Uint8Array,
  maskShape: readonly number[],
): Tensor {
  const present = [...new Set(tiers)];
  if (present.length <= 1) return rowsOf(present[0] ?? 0);
  const kept = present.map((tier) => {
    const mask = Float32Array.from(tiers, (of) => (of === tier ? 1 : 0));
    return ops.mul(arena, rowsOf(tier), input(maskShape, mask));
  });
  return kept.reduce((sum, rows) => ops.add(arena, sum, rows));
}

/** The first `count` entries of each row. */
function firstOfRows(rows: ArrayLike<number>, rowLength: number, count: number): Int32Array {
  const first = new Int32Array((rows.length / rowLength) * count);
  for (let i = 0; i < first.length; i++) {
    first[i] = rows[Math.floor(i / count) * rowLength + (i % count)] ?? 0;
  }
  return first;
}
