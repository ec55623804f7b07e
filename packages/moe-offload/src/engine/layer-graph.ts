import { type Arena, ops, type Tensor } from "@fmlab/ggml";
import { isMoeLayer } from "../model/description.ts";
import { AttentionGraph, type BatchInputs } from "./attention-graph.ts";
import type { GraphContext } from "./graph-context.ts";
import type { HyperParameters } from "./hyper-parameters.ts";
import { type Routed, RouterGraph } from "./router-graph.ts";
import type { FeedForwardWeights, LayerWeights, ModelWeights } from "./weights.ts";

export type { BatchInputs } from "./attention-graph.ts";
export type { Routed } from "./router-graph.ts";

/** What the attention half of a layer leaves to its experts. */
export interface Attended {
  readonly residual: Tensor; // [width, tokens]
  readonly normed: Tensor; // [width, tokens]: input of router and experts
}

/** The matrices of experts, one per slot of a class. */
export interface ExpertTensors {
  /**
   * Gate above up in one matrix `[width, 2 * inner, slots]`, or the two `[width, inner, slots]`.
   */
  readonly gateUp: Tensor | { readonly gate: Tensor; readonly up: Tensor };
  readonly down: Tensor; // [inner, width, slots]
}

/**
 * Builds the graphs of a model into one arena, layer by layer, in the order of operations of
 * llama.cpp, so that results agree to the bit. Experts may be computed all at once (`experts`) or
 * in parts: `expertRows` of any of them in any order, then `shared`, then `combine`.
 * @see llama.cpp src/models and llama-graph.cpp `build_moe_ffn` (b7347)
 */
export class LayerGraph {
  readonly #arena: Arena;
  readonly #model: HyperParameters;
  readonly #weights: ModelWeights;
  readonly #context: GraphContext;
  readonly #batch: BatchInputs;
  readonly #attention: AttentionGraph;
  readonly #router: RouterGraph;

  constructor(
    arena: Arena,
    model: HyperParameters,
    weights: ModelWeights,
    context: GraphContext,
    batch: BatchInputs,
  ) {
    this.#arena = arena;
    this.#model = model;
    this.#weights = weights;
    this.#context = context;
    this.#batch = batch;
    this.#attention = new AttentionGraph(arena, model, weights, context, batch);
    this.#router = new RouterGraph(arena, model, weights);
  }

  /** Views of the cache that show its visible part; in the graphs of one token they grow. */
  get cacheViews(): readonly Tensor[] {
    return this.#attention.cacheViews;
  }

  /** The embeddings of the entered tokens, `[width, tokens]`. */
  embed(): Tensor {
    const { tokenCount } = this.#batch;
    return this.#scale(this.#rowsOf(tokenCount), this.#model.scales.embedding);
  }

  /**
   * Attention with its residual, and the norm after it.
   * @param x         `[width, tokens]`
   * @param lastOnly  go on with the last token alone; the keys and values of all are kept
   */
  attention(layer: number, x: Tensor, lastOnly = false): Attended {
    const arena = this.#arena;
    const weights = this.#layer(layer);
    const { embeddingLength: width, scales } = this.#model;
    const { tokenCount } = this.#batch;
    let output = this.#attention.attend(layer, weights, this.#norm(x, weights.attentionNorm));
    let before = x;
    if (lastOnly && tokenCount > 1) {
      const last = { shape: [width, 1], offsetBytes: (tokenCount - 1) * width * 4 };
      output = ops.view(arena, output, last);
      before = ops.view(arena, before, last);
    }
    const residual = ops.add(arena, this.#scale(output, scales.residual), before);
    return { residual, normed: this.#norm(residual, weights.feedForwardNorm) };
  }

  /** Writes keys and values of the batch into the cache, and no more. */
  cacheKeysAndValues(layer: number, x: Tensor): void {
    const weights = this.#layer(layer);
    const normed = this.#norm(x, weights.attentionNorm);
    this.#attention.cacheKeysAndValues(layer, weights, normed);
  }

  /** True for a layer that has one dense network in place of experts. */
  isDense(layer: number): boolean {
    return !isMoeLayer(this.#model, layer);
  }

  /** The output of a layer without experts, `[width, tokens]`. */
  dense(layer: number, attended: Attended): Tensor {
    const { dense } = this.#layer(layer);
    if (!dense) throw new Error(`layer ${layer} has experts`);
    return this.#close(attended, this.#feedForward(dense, attended.normed));
  }

  /**
   * The router of a layer: softmax over all experts, the best of them, and their weights.
   * @param normed      `[width, tokens]`
   * @param depthAhead  how many of the following layers' routers to apply to this layer's state as
   *                    well; for one token they are rows of the same product, nearly for free
   */
  route(layer: number, normed: Tensor, depthAhead = 0): Routed {
    return this.#router.route(layer, normed, depthAhead);
  }

  /**
   * The routers of the layers after `layer`, applied to its state: their logits
   * `[experts, tokens]` for layers `layer + 1` to `layer + depth`, those that exist. Layers with
   * experts follow each other, so none is skipped.
   * @see Fang et al. 2025, arXiv:2502.12224 (Fate), the cross-layer gate
   */
  routeAhead(layer: number, normed: Tensor, depth: number): Tensor[] {
    return this.#router.routeAhead(layer, normed, depth);
  }

  /** What the shared expert adds, `[width, tokens]`; undefined where there is none. */
  shared(layer: number, normed: Tensor, sharedGate?: Tensor): Tensor | undefined {
    const arena = this.#arena;
    const { shared } = this.#layer(layer);
    if (!shared) return undefined;
    const output = this.#feedForward(shared, normed);
    if (!sharedGate) return output;
    // llama.cpp b7347 computes the sigmoid as silu(x) / x; ggml's own differs in the last bit.
    const factor = ops.div(arena, ops.silu(arena, sharedGate), sharedGate);
    return ops.mul(arena, output, factor);
  }

  /**
   * The outputs of experts, unweighted, `[width, n, tokens]`: row `i` of a token is that of the
   * expert in slot `ids[i]`, whatever the other rows are.
   * @param x    `[width, 1, tokens]`
   * @param ids  `[n, tokens]` I32: slots, numbered within their class
   */
  expertRows(x: Tensor, ids: Tensor, tensors: ExpertTensors): Tensor {
    const hidden = this.#activate(x, ids, tensors.gateUp); // [inner, n, tokens]
    return ops.mulMatId(this.#arena, tensors.down, hidden, ids);
  }

  /**
   * A layer's output from those of its experts, `[width, tokens]`: weighted, summed, with shared
   * expert and residual.
   * @param rows     `[width, used, tokens]`, in the router's order
   * @param weights  `[1, used, tokens]`
   * @param shared   `[width, tokens]`
   */
  combine(
    layer: number,
    attended: Pick<Attended, "residual">,
    rows: Tensor,
    weights: Tensor,
    shared?: Tensor,
  ): Tensor {
    if (this.isDense(layer)) throw new Error(`layer ${layer} has no experts`);
    const arena = this.#arena;
    const [width, used, tokens] = rows.shape;
    const weighted = ops.mul(arena, rows, weights);
    // The order of these sums decides the last bits: first to last, then the shared expert.
    let sum: Tensor | undefined;
    for (let expert = 0; expert < used; expert++) {
      const one = ops.view(arena, weighted, {
        shape: [width, tokens],
        strides: [used * width * 4],
        offsetBytes: expert * width * 4,
      });
      sum = sum ? ops.add(arena, sum, one) : one;
    }
    if (!sum) throw new Error("a token uses an expert at least");
    return this.#close(attended, shared ? ops.add(arena, sum, shared) : sum);
  }

  /**
   * Routed and shared experts with the residual: the layer's output, `[width, tokens]`.
   * @param ids  `[used, tokens]`: numbers of matrices in `tensors`
   */
  experts(
    layer: number,
    attended: Attended,
    routed: Pick<Routed, "weights" | "sharedGate">,
    tensors: ExpertTensors,
    ids: Tensor,
  ): Tensor {
    const [width, tokens] = attended.normed.shape;
    const x = ops.reshape(this.#arena, attended.normed, [width, 1, tokens]);
    const rows = this.expertRows(x, ids, tensors);
    const shared = this.shared(layer, attended.normed, routed.sharedGate);
    return this.combine(layer, attended, rows, routed.weights, shared);
  }

  /** Logits of every token of `x`, `[vocabulary, tokens]`. */
  head(x: Tensor): Tensor {
    const normed = this.#norm(x, this.#weights.outputNorm);
    const logits = ops.mulMat(this.#arena, this.#weights.output, normed);
    return this.#scale(logits, this.#model.scales.logits);
  }

  #rowsOf(tokenCount: number): Tensor {
    const arena = this.#arena;
    const { input } = this.#context;
    if ("embedded" in input) {
      const [width] = input.embedded.shape;
      return ops.view(arena, input.embedded, { shape: [width, tokenCount] });
    }
    const tokens = ops.view(arena, input.tokens, { shape: [tokenCount] });
    return ops.getRows(arena, this.#weights.embedding, tokens);
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

  #feedForward({ gateUp, down }: FeedForwardWeights, x: Tensor): Tensor {
    const arena = this.#arena;
    const { stacked, parts } = gateUp;
    let hidden: Tensor;
    if (x.shape[1] === 1 && stacked) {
      hidden = ops.swiglu(arena, ops.mulMat(arena, stacked, x));
    } else {
      const [gate, up] = parts;
      if (!gate || !up) throw new Error("a gated network has two matrices before its activation");
      const gated = ops.mulMat(arena, gate, x);
      hidden = ops.swigluSplit(arena, gated, ops.mulMat(arena, up, x));
    }
    return ops.mulMat(arena, down, hidden);
  }

  // The second residual of a layer.
  #close(attended: Pick<Attended, "residual">, output: Tensor): Tensor {
    const { residual } = this.#model.scales;
    return ops.add(this.#arena, this.#scale(output, residual), attended.residual);
  }

  #scale(x: Tensor, factor: number): Tensor {
    if (factor === 1) return x;
    return ops.scale(this.#arena, x.isContiguous ? x : ops.cont(this.#arena, x), factor);
  }

  #norm(x: Tensor, weight: Tensor): Tensor {
    return ops.mul(this.#arena, ops.rmsNorm(this.#arena, x, this.#model.rmsEpsilon), weight);
  }

  #layer(layer: number): LayerWeights {
    const weights = this.#weights.layers[layer];
    if (!weights) throw new Error(`the model has no layer ${layer}`);
    return weights;
  }
}
