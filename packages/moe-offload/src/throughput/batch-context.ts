import { Arena, type Device, ops, TENSOR_TYPE, type Tensor } from "@fmlab/ggml";
import { F16_MINUS_INFINITY } from "../engine/causal-mask.ts";
import { ContextMemory } from "../engine/context-memory.ts";
import type { HyperParameters } from "../engine/hyper-parameters.ts";

/**
 * The context of one batch: keys and values of several sequences of different lengths, each in its
 * own stretch of the cache, and the inputs of one token of each.
 */
export class BatchContext {
  /** Cache of all sequences, `[2 * keyLength, sequenceLength * sequences]` in each layer. */
  readonly memory: ContextMemory;
  /** `[sequenceLength, 64, 1, sequences]` F16: what each sequence's token sees. */
  readonly mask: Tensor;
  readonly #arena: Arena;
  readonly #maskBits: Uint16Array;
  readonly #maskRows: number;
  /** By sequence: tokens in its cache. */
  readonly #lengths: Int32Array;

  /**
   * @param sequenceLength  tokens that each sequence's cache holds
   * @throws GgmlError `ALLOCATION_FAILED`
   */
  constructor(
    model: HyperParameters,
    device: Device,
    readonly sequenceLength: number,
    readonly sequenceCount: number,
  ) {
    this.memory = new ContextMemory(model, device, sequenceLength * sequenceCount, sequenceCount);
    this.#maskRows = ops.paddedMaskRows(1);
    this.#lengths = new Int32Array(sequenceCount);
    this.#arena = new Arena(device.library, { tensorCountMax: 1 });
    try {
      const shape = [sequenceLength, this.#maskRows, 1, sequenceCount];
      this.mask = this.#arena.tensor(TENSOR_TYPE.F16, shape, "sequences mask");
      this.#arena.allocate(device);
      this.#maskBits = this.mask.float16Bits();
      this.#maskBits.fill(F16_MINUS_INFINITY);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Bytes that a batch of that shape takes. */
  static sizeBytes(model: HyperParameters, sequenceLength: number, sequenceCount: number): number {
    const cache = model.layerCount * 2 * model.keyLength * 2;
    return sequenceCount * sequenceLength * (cache + 2 * ops.paddedMaskRows(1));
  }

  /** Tokens in the cache of a sequence. */
  lengthOf(sequence: number): number {
    return this.#lengths[sequence] ?? 0;
  }

  /** Takes over a layer's keys and values of a prompt that was evaluated in another context. */
  copyLayer(layer: number, sequence: number, from: ContextMemory, tokenCount: number): void {
    const source = from.keyValues[layer];
    const target = this.memory.keyValues[layer];
    if (!source || !target) throw new Error(`the model has no layer ${layer}`);
    const rowBytes = source.strides[1];
    const bytes = source.bytes().subarray(0, tokenCount * rowBytes);
    target.bytes().set(bytes, sequence * this.sequenceLength * rowBytes);
  }

  /** The first `tokenCount` tokens of a sequence are in its cache, and no more. */
  setLength(sequence: number, tokenCount: number): void {
    this.#lengths[sequence] = tokenCount;
    const first = sequence * this.sequenceLength * this.#maskRows;
    this.#maskBits.fill(F16_MINUS_INFINITY, first, first + this.sequenceLength);
    this.#maskBits.fill(0, first, first + tokenCount);
  }

  /** Enters the next token of every sequence, `[sequences]`, which then is in the cache. */
  enter(tokens: Int32Array): void {
    const { tokensView, positionsView, rowsView } = this.memory;
    for (let sequence = 0; sequence < this.sequenceCount; sequence++) {
      const position = this.lengthOf(sequence);
      if (position >= this.sequenceLength) throw new Error("the sequence's cache is full");
      tokensView[sequence] = tokens[sequence] ?? 0;
      positionsView[sequence] = position;
      rowsView[sequence] = BigInt(sequence * this.sequenceLength + position);
      this.#lengths[sequence] = position + 1;
      this.#maskBits[sequence * this.sequenceLength * this.#maskRows + position] = 0;
    }
  }

  /** Frees the memory. */
  close(): void {
    this.#arena.close();
    this.memory.close();
  }
}
