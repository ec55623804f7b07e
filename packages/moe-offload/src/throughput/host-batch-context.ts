import { Arena, type Device, ops, TENSOR_TYPE, type Tensor } from "@fmlab/ggml";
import { F16_MINUS_INFINITY } from "../engine/causal-mask.ts";
import { ContextMemory } from "../engine/context-memory.ts";
import type { HyperParameters } from "../engine/hyper-parameters.ts";
import { type BatchContext, SequenceLengths } from "./batch-context.ts";

/** The context of a batch in memory of the host, which is written in place. */
export class HostBatchContext implements BatchContext {
  readonly memory: ContextMemory;
  readonly mask: Tensor;
  readonly #arena: Arena;
  readonly #maskBits: Uint16Array;
  readonly #maskRows: number;
  readonly #lengths: SequenceLengths;

  /** @throws GgmlError `ALLOCATION_FAILED` */
  constructor(
    model: HyperParameters,
    device: Device,
    readonly sequenceLength: number,
    readonly sequenceCount: number,
  ) {
    this.memory = new ContextMemory(model, device, sequenceLength * sequenceCount, sequenceCount);
    this.#maskRows = ops.paddedMaskRows(1);
    this.#lengths = new SequenceLengths(sequenceCount, sequenceLength);
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

  lengthOf(sequence: number): number {
    return this.#lengths.of(sequence);
  }

  setLength(sequence: number, tokenCount: number): void {
    this.#lengths.set(sequence, tokenCount);
    const first = sequence * this.sequenceLength * this.#maskRows;
    this.#maskBits.fill(F16_MINUS_INFINITY, first, first + this.sequenceLength);
    this.#maskBits.fill(0, first, first + tokenCount);
  }

  enter(tokens: Int32Array): void {
    const { tokensView, positionsView, rowsView } = this.memory;
    for (let sequence = 0; sequence < this.sequenceCount; sequence++) {
      const position = this.#lengths.add(sequence);
      tokensView[sequence] = tokens[sequence] ?? 0;
      positionsView[sequence] = position;
      rowsView[sequence] = BigInt(sequence * this.sequenceLength + position);
      this.#maskBits[sequence * this.sequenceLength * this.#maskRows + position] = 0;
    }
  }

  close(): void {
    this.#arena.close();
    this.memory.close();
  }
}
