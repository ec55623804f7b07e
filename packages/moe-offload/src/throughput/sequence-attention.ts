import { type Arena, ops, type Tensor } from "@fmlab/ggml";
import { AttentionGraph } from "../engine/attention-graph.ts";
import type { HyperParameters } from "../engine/hyper-parameters.ts";
import type { Attended } from "../engine/layer-graph.ts";
import type { ModelWeights } from "../engine/weights.ts";
import type { BatchContext } from "./batch-context.ts";

/**
 * The attention half of layers for one token of each of several sequences: dense products over all
 * of them, and for each sequence the sum over its own cache only (the fourth dimension of flash
 * attention). The sequences may have different lengths; their mask tells what is seen.
 */
export class SequenceAttention {
  readonly #arena: Arena;
  readonly #model: HyperParameters;
  readonly #weights: ModelWeights;
  readonly #context: BatchContext;
  readonly #graph: AttentionGraph;
  readonly #mask: Tensor;

  constructor(arena: Arena, model: HyperParameters, weights: ModelWeights, context: BatchContext) {
    this.#arena = arena;
    this.#model = model;
    this.#weights = weights;
    this.#context = context;
    const { memory, sequenceCount } = context;
    const inputs = { tokenCount: sequenceCount, visible: 1 };
    this.#graph = new AttentionGraph(arena, model, weights, memory, inputs);
    this.#mask = arena.alias(context.mask);
  }

  /** Attention with its residual, and the norm after it. @param x `[width, sequences]` */
  attention(layer: number, x: Tensor): Attended {
    const arena = this.#arena;
    const weights = this.#weights.layers[layer];
    if (!weights) throw new Error(`the model has no layer ${layer}`);
    const { headCount, headLength, queryLength, scales } = this.#model;
    const { sequenceCount } = this.#context;
    const normed = this.#norm(x, weights.attentionNorm);
    const q = this.#graph.cacheKeysAndValues(layer, weights, normed);
    const bySequence = ops.reshape(arena, q, [headLength, headCount, 1, sequenceCount]);
    const { keys, values } = this.#cached(layer);
    const attended = ops.flashAttention(arena, {
      q: ops.permute(arena, bySequence, [0, 2, 1, 3]), // [headLength, 1, heads, sequences]
      k: keys,
      v: values,
      mask: this.#mask,
      scale: scales.attention,
    });
    const joined = ops.reshape(arena, attended, [queryLength, sequenceCount]);
    let output = ops.mulMat(arena, weights.attentionOutput, joined);
    const bias = weights.attentionOutputBias;
    if (bias) output = ops.add(arena, output, bias);
    if (scales.residual !== 1) output = ops.scale(arena, output, scales.residual);
    const residual = ops.add(arena, output, x);
    return { residual, normed: this.#norm(residual, weights.feedForwardNorm) };
  }

  #cached(layer: number): { keys: Tensor; values: Tensor } {
    const cache = this.#context.memory.keyValues[layer];
    if (!cache) throw new Error(`the model has no layer ${layer}`);
    const { headCountKv, headLength, keyLength } = this.#model;
    const { sequenceCount, sequenceLength } = this.#context;
    const row = cache.strides[1];
    const show = (offsetBytes: number) =>
      ops.view(this.#arena, cache, {
        shape: [headLength, sequenceLength, headCountKv, sequenceCount],
        strides: [row, headLength * 2, row * sequenceLength],
        offsetBytes,
      });
    return { keys: show(0), values: show(keyLength * 2) };
  }

  #norm(x: Tensor, weight: Tensor): Tensor {
    return ops.mul(this.#arena, ops.rmsNorm(this.#arena, x, this.#model.rmsEpsilon), weight);
  }
}
