import { type Arena, ops, type Tensor } from "@fmlab/ggml";
import type { GraphContext } from "./graph-context.ts";
import type { HyperParameters } from "./hyper-parameters.ts";
import type { LayerWeights, ModelWeights } from "./weights.ts";

/** Where a graph's tokens are and what they may see. */
export interface BatchInputs {
  readonly tokenCount: number;
  /** Cached tokens that are seen, those of this batch included. */
  readonly visible: number;
  readonly mask?: Tensor; // [visible, padded tokens] F16
}

/** Queries, keys and values of a batch, not yet turned. */
interface Projected {
  readonly q: Tensor; // [queryLength, tokens]
  readonly k: Tensor; // [keyLength, tokens]
  readonly v: Tensor; // [keyLength, tokens]
}

/**
 * Builds the attention of layers: projection, norms, rotation, cache, and the sum over what is
 * seen.
 */
export class AttentionGraph {
  /** Views of the cache that show its visible part; in the graphs of one token they grow. */
  readonly cacheViews: Tensor[] = [];
  readonly #arena: Arena;
  readonly #model: HyperParameters;
  readonly #context: GraphContext;
  readonly #batch: BatchInputs;
  readonly #positions: Tensor;
  readonly #rows: Tensor;
  readonly #rope: ops.RopeOptions | undefined;

  constructor(
    arena: Arena,
    model: HyperParameters,
    weights: ModelWeights,
    context: GraphContext,
    batch: BatchInputs,
  ) {
    this.#arena = arena;
    this.#model = model;
    this.#context = context;
    this.#batch = batch;
    this.#positions = ops.view(arena, context.positions, { shape: [batch.tokenCount] });
    this.#rows = ops.view(arena, context.rows, { shape: [batch.tokenCount] });
    const { ropeFactors } = weights;
    this.#rope = model.rope && {
      ...model.rope,
      ...(ropeFactors && { frequencyFactors: ropeFactors }),
    };
  }

  /**
   * What attention adds to a layer's input, before its scale, `[width, tokens]`.
   * @param normed `[width, tokens]`
   */
  attend(layer: number, weights: LayerWeights, normed: Tensor): Tensor {
    const arena = this.#arena;
    const { queryLength, scales } = this.#model;
    const { tokenCount, mask } = this.#batch;
    const q = this.cacheKeysAndValues(layer, weights, normed);
    const cache = this.#cached(layer);
    const attended = ops.flashAttention(arena, {
      q: ops.permute(arena, q, [0, 2, 1, 3]), // [headLength, tokens, heads]
      k: cache.keys,
      v: cache.values,
      mask,
      scale: scales.attention,
    });
    const joined = ops.reshape(arena, attended, [queryLength, tokenCount]);
    const output = ops.mulMat(arena, weights.attentionOutput, joined);
    const bias = weights.attentionOutputBias;
    return bias ? ops.add(arena, output, bias) : output;
  }

  /**
   * Writes keys and values of the batch into the cache.
   * @returns the queries, turned to their positions, `[headLength, heads, tokens]`
   */
  cacheKeysAndValues(layer: number, weights: LayerWeights, normed: Tensor): Tensor {
    const { stacked } = weights.qkv;
    const { qkvBias, queryKeyNorms } = weights;
    if (this.#batch.tokenCount !== 1 || !stacked) {
      return this.#turnAndCache(layer, weights, this.#projectEach(weights, normed));
    }
    const product = ops.mulMat(this.#arena, stacked, normed);
    const qkv = qkvBias?.stacked ? ops.add(this.#arena, product, qkvBias.stacked) : product;
    return queryKeyNorms
      ? this.#turnAndCache(layer, weights, this.#split(qkv))
      : this.#turnAndCacheStacked(layer, qkv);
  }

  #projectEach(weights: LayerWeights, normed: Tensor): Projected {
    const [q, k, v] = weights.qkv.parts.map((weight, index) => {
      const product = ops.mulMat(this.#arena, weight, normed);
      const bias = weights.qkvBias?.parts[index];
      return bias ? ops.add(this.#arena, product, bias) : product;
    });
    if (!q || !k || !v) throw new Error("queries, keys and values have a matrix each");
    return { q, k, v };
  }

  #split(qkv: Tensor): Projected {
    const { queryLength, keyLength } = this.#model;
    const part = (first: number, length: number) =>
      ops.view(this.#arena, qkv, { shape: [length, 1], offsetBytes: first * 4 });
    return {
      q: part(0, queryLength),
      k: part(queryLength, keyLength),
      v: part(queryLength + keyLength, keyLength),
    };
  }

  // One rotation and one cache write for queries, keys and values of a single token.
  #turnAndCacheStacked(layer: number, qkv: Tensor): Tensor {
    const arena = this.#arena;
    const { headLength, headCount, headCountKv, keyLength, queryLength } = this.#model;
    const heads = ops.view(arena, qkv, { shape: [headLength, headCount + headCountKv, 1] });
    const turned = this.#rope ? ops.ropeInPlace(arena, heads, this.#positions, this.#rope) : heads;
    arena.graph.expand(turned);
    const offsetBytes = queryLength * 4;
    const keyValue = ops.view(arena, qkv, { shape: [2 * keyLength, 1], offsetBytes });
    arena.graph.expand(ops.setRows(arena, this.#cache(layer), keyValue, this.#rows));
    return ops.view(arena, turned, { shape: [headLength, headCount, 1] });
  }

  #turnAndCache(layer: number, weights: LayerWeights, { q, k, v }: Projected): Tensor {
    const arena = this.#arena;
    const { keyLength } = this.#model;
    const cache = this.#cache(layer);
    const queries = this.#turn(q, weights.queryKeyNorms?.[0]);
    const turned = this.#turn(k, weights.queryKeyNorms?.[1]);
    const keys = ops.reshape(arena, turned, [keyLength, this.#batch.tokenCount]);
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

  // Norm and rotation of queries or keys, `[headLength, heads, tokens]`.
  #turn(x: Tensor, norm: Tensor | undefined): Tensor {
    const arena = this.#arena;
    const { headLength, rmsEpsilon, traits } = this.#model;
    const shape = [headLength, x.shape[0] / headLength, this.#batch.tokenCount];
    const normalise = (y: Tensor) =>
      norm ? ops.mul(arena, ops.rmsNorm(arena, y, rmsEpsilon), norm) : y;
    const heads =
      traits.queryKeyNorm === "whole"
        ? ops.reshape(arena, normalise(x), shape)
        : normalise(ops.reshape(arena, x, shape));
    return this.#rope ? ops.rope(arena, heads, this.#positions, this.#rope) : heads;
  }

  #cached(layer: number): { keys: Tensor; values: Tensor } {
    const cache = this.#cache(layer);
    const { headLength, headCountKv, keyLength } = this.#model;
    const show = (offsetBytes: number) =>
      ops.view(this.#arena, cache, {
        shape: [headLength, this.#batch.visible, headCountKv],
        strides: [cache.strides[1], headLength * 2],
        offsetBytes,
      });
    const [keys, values] = [show(0), show(keyLength * 2)];
    this.cacheViews.push(keys, values);
    return { keys, values };
  }

  #cache(layer: number): Tensor {
    const cache = this.#context.keyValues[layer];
    if (!cache) throw new Error(`the model has no layer ${layer}`);
    return cache;
  }
}
