import { type Arena, ops, type Tensor } from "@fmlab/ggml";
import type { ContextMemory } from "./context-memory.ts";
import type { HyperParameters } from "./hyper-parameters.ts";
import type { LayerWeights, MatrixGroup, ModelWeights } from "./weights.ts";

/** What the attention half of a layer leaves to its experts. */
export interface Attended {
  readonly residual: Tensor; // [width, tokens]
  readonly normed: Tensor; // [width, tokens]: input of router and experts
}

/** What the router decides. */
export interface Routed {
  readonly ids: Tensor; // [used, tokens] I32, by falling weight: a view of the next
  readonly sorted: Tensor; // [experts, tokens] I32: all experts by falling weight
  readonly weights: Tensor; // [1, used, tokens]
  readonly sharedGate: Tensor; // [1, tokens]: the shared expert's gate before its sigmoid
}

/** The matrices of the experts a layer computes with, one per slot. */
export interface ExpertTensors {
  /**
   * Gate above up in one matrix `[width, 2 * inner, slots]`, or the two `[width, inner, slots]`.
   */
  readonly gateUp: Tensor | { readonly gate: Tensor; readonly up: Tensor };
  readonly down: Tensor; // [inner, width, slots]
}

/** Where a graph's tokens are and what they may see. */
export interface BatchInputs {
  readonly tokenCount: number;
  /** Cached tokens that are seen, those of this batch included. */
  readonly visible: number;
  readonly mask?: Tensor; // [visible, padded tokens] F16
}

/**
 * Builds the graphs of a qwen2moe model into one arena, layer by layer, in the order of operations
 * of llama.cpp, so that results agree to the bit.
 * @see llama.cpp src/models/qwen2moe.cpp and llama-graph.cpp `build_moe_ffn` (b7347)
 */
export class LayerGraph {
  readonly #arena: Arena;
  readonly #model: HyperParameters;
  readonly #weights: ModelWeights;
  readonly #context: ContextMemory;
  readonly #batch: BatchInputs;
  readonly #positions: Tensor;
  readonly #rows: Tensor;
  /** Views of the cache that show its visible part; in the graphs of one token they grow. */
  readonly cacheViews: Tensor[] = [];

  constructor(
    arena: Arena,
    model: HyperParameters,
    weights: ModelWeights,
    context: ContextMemory,
    batch: BatchInputs,
  ) {
    this.#arena = arena;
    this.#model = model;
    this.#weights = weights;
    this.#context = context;
    this.#batch = batch;
    this.#positions = ops.view(arena, context.positions, { shape: [batch.tokenCount] });
    this.#rows = ops.view(arena, context.rows, { shape: [batch.tokenCount] });
  }

  /** The embeddings of the entered tokens, `[width, tokens]`. */
  embed(): Tensor {
    const { tokenCount } = this.#batch;
    const tokens = ops.view(this.#arena, this.#context.tokens, { shape: [tokenCount] });
    return ops.getRows(this.#arena, this.#weights.embedding, tokens);
  }

  /**
   * Attention with its residual, and the norm after it.
   * @param x         `[width, tokens]`
   * @param lastOnly  go on with the last token alone; the keys and values of all are kept
   */
  attention(layer: number, x: Tensor, lastOnly = false): Attended {
    const arena = this.#arena;
    const weights = this.#layer(layer);
    const { embeddingLength: width, headLength, headCount, rmsEpsilon } = this.#model;
    const { tokenCount, mask } = this.#batch;
    const q = this.cacheKeysAndValues(layer, x);
    const cache = this.#cached(layer);
    const attended = ops.flashAttention(arena, {
      q: ops.permute(arena, q, [0, 2, 1, 3]), // [headLength, tokens, heads]
      k: cache.keys,
      v: cache.values,
      mask,
      scale: 1 / Math.sqrt(headLength),
    });
    const joined = ops.reshape(arena, attended, [headCount * headLength, tokenCount]);
    let output = ops.mulMat(arena, weights.attentionOutput, joined);
    let before = x;
    if (lastOnly && tokenCount > 1) {
      const last = { shape: [width, 1], offsetBytes: (tokenCount - 1) * width * 4 };
      output = ops.view(arena, output, last);
      before = ops.view(arena, before, last);
    }
    const residual = ops.add(arena, output, before);
    const normed = this.#norm(residual, weights.feedForwardNorm, rmsEpsilon);
    return { residual, normed };
  }

  /**
   * Writes keys and values of the batch into the cache.
   * @returns the queries, turned to their positions, `[headLength, heads, tokens]`
   */
  cacheKeysAndValues(layer: number, x: Tensor): Tensor {
    const weights = this.#layer(layer);
    const normed = this.#norm(x, weights.attentionNorm, this.#model.rmsEpsilon);
    const { stacked } = weights.qkv;
    if (this.#batch.tokenCount === 1 && stacked && weights.qkvBias.stacked) {
      return this.#projectStacked(layer, normed, stacked, weights.qkvBias.stacked);
    }
    return this.#projectParts(layer, normed, weights.qkv, weights.qkvBias);
  }

  /** Router: softmax over all experts, the best of them, their weights as they are. */
  route(layer: number, normed: Tensor): Routed {
    const arena = this.#arena;
    const { expertCount, expertUsedCount } = this.#model;
    const tokens = normed.shape[1];
    const { stacked, parts } = this.#layer(layer).router;
    let logits: Tensor;
    let sharedGate: Tensor;
    if (tokens === 1 && stacked) {
      const all = ops.mulMat(arena, stacked, normed); // [experts + 1, 1]
      logits = ops.view(arena, all, { shape: [expertCount, 1] });
      sharedGate = ops.view(arena, all, { shape: [1, 1], offsetBytes: expertCount * 4 });
    } else {
      const [router, gate] = both(parts);
      logits = ops.mulMat(arena, router, normed);
      sharedGate = ops.mulMat(arena, gate, normed);
    }
    const probabilities = ops.softMax(arena, logits); // [experts, tokens]
    const ids = ops.argsortTopK(arena, probabilities, expertUsedCount);
    const table = ops.reshape(arena, probabilities, [1, expertCount, tokens]);
    const weights = ops.getRows(arena, table, ids);
    return { ids, sorted: ids.root, weights, sharedGate };
  }

  /**
   * Routed and shared experts with the residual: the layer's output, `[width, tokens]`.
   * @param ids  `[used, tokens]`: numbers of matrices in `pool`
   */
  experts(
    layer: number,
    attended: Attended,
    routed: Pick<Routed, "weights" | "sharedGate">,
    pool: ExpertTensors,
    ids: Tensor,
  ): Tensor {
    const arena = this.#arena;
    const { embeddingLength: width, expertUsedCount } = this.#model;
    const tokens = attended.normed.shape[1];
    const x = ops.reshape(arena, attended.normed, [width, 1, tokens]);
    const hidden = this.#activate(x, ids, pool.gateUp); // [inner, used, tokens]
    const down = ops.mulMatId(arena, pool.down, hidden, ids); // [width, used, tokens]
    const weighted = ops.mul(arena, down, routed.weights);
    // The order of these sums decides the last bits: first to last, then the shared expert.
    let sum: Tensor | undefined;
    for (let expert = 0; expert < expertUsedCount; expert++) {
      const one = ops.view(arena, weighted, {
        shape: [width, tokens],
        strides: [expertUsedCount * width * 4],
        offsetBytes: expert * width * 4,
      });
      sum = sum ? ops.add(arena, sum, one) : one;
    }
    const shared = this.#sharedExpert(layer, attended.normed, routed.sharedGate);
    const output = sum ? ops.add(arena, sum, shared) : shared;
    return ops.add(arena, output, attended.residual);
  }

  /** Logits of every token of `x`, `[vocabulary, tokens]`. */
  head(x: Tensor): Tensor {
    const normed = this.#norm(x, this.#weights.outputNorm, this.#model.rmsEpsilon);
    return ops.mulMat(this.#arena, this.#weights.output, normed);
  }

  // Each product is a sum over one row by itself, so stacking gate and up changes no bit.
  #activate(x: Tensor, ids: Tensor, weights: ExpertTensors["gateUp"]): Tensor {
    const arena = this.#arena;
    if ("gate" in weights) {
      const up = ops.mulMatId(arena, weights.up, x, ids);
      return ops.swigluSplit(arena, ops.mulMatId(arena, weights.gate, x, ids), up);
    }
    return ops.swiglu(arena, ops.mulMatId(arena, weights, x, ids));
  }

  #sharedExpert(layer: number, normed: Tensor, gateLogit: Tensor): Tensor {
    const arena = this.#arena;
    const weights = this.#layer(layer);
    const { stacked, parts } = weights.sharedGateUp;
    let hidden: Tensor;
    if (normed.shape[1] === 1 && stacked) {
      hidden = ops.swiglu(arena, ops.mulMat(arena, stacked, normed));
    } else {
      const [gate, up] = both(parts);
      const gated = ops.mulMat(arena, gate, normed);
      hidden = ops.swigluSplit(arena, gated, ops.mulMat(arena, up, normed));
    }
    const output = ops.mulMat(arena, weights.sharedDown, hidden);
    // llama.cpp b7347 computes the sigmoid as silu(x) / x; ggml's own differs in the last bit.
    const factor = ops.div(arena, ops.silu(arena, gateLogit), gateLogit);
    return ops.mul(arena, output, factor);
  }

  // One product and one cache write for queries, keys and values of a single token.
  #projectStacked(layer: number, normed: Tensor, weight: Tensor, bias: Tensor): Tensor {
    const arena = this.#arena;
    const { headLength, headCount, headCountKv, keyLength, embeddingLength } = this.#model;
    const qkv = ops.add(arena, ops.mulMat(arena, weight, normed), bias);
    const heads = ops.view(arena, qkv, { shape: [headLength, headCount + headCountKv, 1] });
    const turned = ops.ropeInPlace(arena, heads, this.#positions, this.#rope);
    arena.graph.expand(turned);
    const keyValue = ops.view(arena, qkv, {
      shape: [2 * keyLength, 1],
      offsetBytes: embeddingLength * 4,
    });
    const cache = this.#context.keyValues[layer];
    if (cache) arena.graph.expand(ops.setRows(arena, cache, keyValue, this.#rows));
    return ops.view(arena, turned, { shape: [headLength, headCount, 1] });
  }

  #projectParts(layer: number, normed: Tensor, weights: MatrixGroup, biases: MatrixGroup): Tensor {
    const arena = this.#arena;
    const { headLength, keyLength } = this.#model;
    const { tokenCount } = this.#batch;
    const [q, k, v] = weights.parts.map((weight, index) => {
      const product = ops.mulMat(arena, weight, normed);
      const bias = biases.parts[index];
      return bias ? ops.add(arena, product, bias) : product;
    });
    const cache = this.#context.keyValues[layer];
    if (!q || !k || !v || !cache) throw new Error(`layer ${layer} is incomplete`);
    const turn = (x: Tensor) => {
      const heads = ops.reshape(arena, x, [headLength, x.shape[0] / headLength, tokenCount]);
      return ops.rope(arena, heads, this.#positions, this.#rope);
    };
    const queries = turn(q);
    const keys = ops.reshape(arena, turn(k), [keyLength, tokenCount]);
    arena.graph.expand(queries);
    for (const [index, rows] of [keys, v].entries()) {
      const half = ops.view(arena, cache, {
        shape: [keyLength, this.#context.contextLength],
        strides: [cache.strides[1]],
        offsetBytes: index * keyLength * 2,
      });
      arena.graph.expand(ops.setRows(arena, half, rows, this.#rows));
    }
    return queries;
  }

  #cached(layer: number): { keys: Tensor; values: Tensor } {
    const cache = this.#context.keyValues[layer];
    if (!cache) throw new Error(`the model has no layer ${layer}`);
    const { headLength, headCountKv, keyLength } = this.#model;
    const [keys, values] = [0, keyLength * 2].map((offsetBytes) =>
      ops.view(this.#arena, cache, {
        shape: [headLength, this.#batch.visible, headCountKv],
        strides: [cache.strides[1], headLength * 2],
        offsetBytes,
      }),
    );
    if (!keys || !values) throw new Error("two views were made");
    this.cacheViews.push(keys, values);
    return { keys, values };
  }

  #norm(x: Tensor, weight: Tensor, epsilon: number): Tensor {
    return ops.mul(this.#arena, ops.rmsNorm(this.#arena, x, epsilon), weight);
  }

  #layer(layer: number): LayerWeights {
    const weights = this.#weights.layers[layer];
    if (!weights) throw new Error(`the model has no layer ${layer}`);
    return weights;
  }

  get #rope(): ops.RopeOptions {
    return {
      dimensions: this.#model.ropeDimensions,
      mode: ops.ROPE_MODE.NEOX,
      frequencyBase: this.#model.ropeFrequencyBase,
      frequencyScale: this.#model.ropeFrequencyScale,
      originalContext: this.#model.contextLength,
    };
  }
}

function both(parts: readonly Tensor[]): [Tensor, Tensor] {
  const [first, second] = parts;
  if (!first || !second) throw new Error("a group of two matrices has two parts");
  return [first, second];
}
