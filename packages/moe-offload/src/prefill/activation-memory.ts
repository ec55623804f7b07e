import { Arena, type Device, ops, TENSOR_TYPE, type Tensor } from "@fmlab/ggml";
import type { HyperParameters } from "../engine/hyper-parameters.ts";

/**
 * What passes between the graphs of one layer for some tokens that follow each other: views of an
 * activation memory, to be closed before it.
 */
export interface TokenSlices {
  readonly tokenCount: number;
  readonly residual: Tensor; // [width, tokens]
  /** Input of the experts. */
  readonly normed: Tensor; // [width, tokens]
  readonly weights: Tensor; // [1, used, tokens]
  /** Output of the shared expert; undefined when the model has none. */
  readonly shared: Tensor | undefined; // [width, tokens]
  /** Outputs of the chosen experts, unweighted, in routing order. */
  readonly expertRows: Tensor; // [width, used, tokens]
  close(): void;
}

/**
 * Memory for one layer's activations of many tokens, in which the graphs of the attention of parts
 * of them, of experts over all of them, and of the sums meet. Written anew by every layer.
 */
export class ActivationMemory {
  readonly tokenCount: number;
  readonly normed: Tensor; // [width, tokens]
  readonly expertRows: Tensor; // [width, used * tokens]
  readonly #residual: Tensor; // [width, tokens]
  readonly #weights: Tensor; // [used, tokens]
  readonly #shared: Tensor | undefined; // [width, tokens]
  readonly #model: HyperParameters;
  readonly #device: Device;
  readonly #arena: Arena;

  /** @throws GgmlError `ALLOCATION_FAILED` */
  constructor(model: HyperParameters, device: Device, tokenCount: number) {
    const { embeddingLength: width, expertUsedCount: used } = model;
    const arena = new Arena(device.library, { tensorCountMax: TENSORS });
    const make = (shape: readonly number[], name: string) =>
      arena.tensor(TENSOR_TYPE.F32, shape, name);
    this.tokenCount = tokenCount;
    this.#model = model;
    this.#device = device;
    this.#arena = arena;
    this.normed = make([width, tokenCount], "normed");
    this.expertRows = make([width, used * tokenCount], "expert rows");
    this.#residual = make([width, tokenCount], "residual");
    this.#weights = make([used, tokenCount], "weights");
    this.#shared =
      model.sharedFeedForwardLength > 0 ? make([width, tokenCount], "shared") : undefined;
    try {
      arena.allocate(device);
    } catch (error) {
      arena.close();
      throw error;
    }
  }

  /** Bytes it takes for each token. */
  static bytesPerToken(model: HyperParameters): number {
    const { embeddingLength: width, expertUsedCount: used } = model;
    const wide = 2 + used + (model.sharedFeedForwardLength > 0 ? 1 : 0);
    return 4 * (wide * width + used);
  }

  /** The activations of `count` tokens from `first` on. */
  slices(first: number, count: number): TokenSlices {
    const { embeddingLength: width, expertUsedCount: used } = this.#model;
    const arena = new Arena(this.#device.library, { tensorCountMax: TENSORS });
    const show = (all: Tensor, shape: readonly number[]) =>
      ops.view(arena, all, { shape, offsetBytes: (first * 4 * all.elements) / this.tokenCount });
    try {
      const slices = {
        tokenCount: count,
        residual: show(this.#residual, [width, count]),
        normed: show(this.normed, [width, count]),
        weights: show(this.#weights, [1, used, count]),
        shared: this.#shared && show(this.#shared, [width, count]),
        expertRows: show(this.expertRows, [width, used, count]),
        close: () => arena.close(),
      };
      // Gives the views their places.
      arena.allocate(this.#device);
      return slices;
    } catch (error) {
      arena.close();
      throw error;
    }
  }

  /** Frees the memory. */
  close(): void {
    this.#arena.close();
  }
}

/** Tensors of the memory itself, and at most of each set of slices; one is kept free. */
const TENSORS = 6;
