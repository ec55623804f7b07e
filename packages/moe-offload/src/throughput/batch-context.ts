import type { Tensor } from "@fmlab/ggml";
import { ops } from "@fmlab/ggml";
import type { GraphContext } from "../engine/graph-context.ts";
import type { HyperParameters } from "../engine/hyper-parameters.ts";

/**
 * The context of one batch: keys and values of several sequences of different lengths, each in its
 * own stretch of the cache, and the inputs of one token of each.
 */
export interface BatchContext {
  /** Inputs, and the cache of all sequences, `[2 * keyLength, sequenceLength * sequences]`. */
  readonly memory: GraphContext;
  /** `[sequenceLength, 64, 1, sequences]` F16: what each sequence's token sees. */
  readonly mask: Tensor;
  /** Tokens that each sequence's cache holds. */
  readonly sequenceLength: number;
  readonly sequenceCount: number;
  /** Tokens in the cache of a sequence. */
  lengthOf(sequence: number): number;
  /** The first `tokenCount` tokens of a sequence are in its cache, and no more. */
  setLength(sequence: number, tokenCount: number): void;
  /** Enters the next token of every sequence, `[sequences]`, which then is in the cache. */
  enter(tokens: Int32Array): void;
  /** Frees the memory; whoever computes must be done with it. */
  close(): void;
}

/** Bytes that a batch's context takes. */
export function batchContextBytes(
  model: HyperParameters,
  sequenceLength: number,
  sequenceCount: number,
): number {
  const cache = model.layerCount * 2 * model.keyLength * 2;
  return sequenceCount * sequenceLength * (cache + 2 * ops.paddedMaskRows(1));
}

/** How many tokens each sequence of a batch has, which each of its steps makes one more. */
export class SequenceLengths {
  readonly #lengths: Int32Array;
  readonly #most: number;

  constructor(sequenceCount: number, sequenceLength: number) {
    this.#lengths = new Int32Array(sequenceCount);
    this.#most = sequenceLength;
  }

  of(sequence: number): number {
    return this.#lengths[sequence] ?? 0;
  }

  set(sequence: number, tokenCount: number): void {
    this.#lengths[sequence] = tokenCount;
  }

  /** One more token; returns its position. */
  add(sequence: number): number {
    const position = this.of(sequence);
    if (position >= this.#most) throw new Error("the sequence's cache is full");
    this.#lengths[sequence] = position + 1;
    return position;
  }
}
