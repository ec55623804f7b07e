import {
  Arena,
  dequantise,
  ops,
  rowSizeBytes,
  StagedTensor,
  StagingMemory,
  TENSOR_TYPE,
  type Tensor,
} from "@fmlab/ggml";
import { F16_MINUS_INFINITY } from "../../engine/causal-mask.ts";
import type { GraphContext } from "../../engine/graph-context.ts";
import type { BatchMachine } from "../../prefill/batch-machine.ts";
import { type BatchContext, SequenceLengths } from "../batch-context.ts";

/**
 * The context of a batch in memory of a card: the caches of all its sequences lie there, inputs are
 * entered from memory of the host in the order of the stream. Rows of the embedding are looked up
 * on the host.
 */
export class CardBatchContext implements BatchContext {
  readonly memory: GraphContext;
  readonly mask: Tensor;
  readonly #machine: BatchMachine;
  readonly #arena: Arena;
  readonly #memory: StagingMemory;
  readonly #embedded: StagedTensor;
  readonly #positions: StagedTensor;
  readonly #rows: StagedTensor;
  readonly #mask: StagedTensor;
  readonly #maskRows = ops.paddedMaskRows(1);
  readonly #lengths: SequenceLengths;

  /** @throws GgmlError `ALLOCATION_FAILED` */
  constructor(
    machine: BatchMachine,
    readonly sequenceLength: number,
    readonly sequenceCount: number,
  ) {
    const { device, model } = machine;
    const { F16, F32, I32, I64 } = TENSOR_TYPE;
    const contextLength = sequenceLength * sequenceCount;
    this.#machine = machine;
    this.#lengths = new SequenceLengths(sequenceCount, sequenceLength);
    const arena = new Arena(device.library, { tensorCountMax: model.layerCount + 5 });
    this.#arena = arena;
    try {
      const keyValues = Array.from({ length: model.layerCount }, (_, layer) =>
        arena.tensor(F16, [2 * model.keyLength, contextLength], `kv.${layer}`),
      );
      const positions = arena.tensor(I32, [sequenceCount], "positions");
      const rows = arena.tensor(I64, [sequenceCount], "rows");
      const embedded = arena.tensor(F32, [model.embeddingLength, sequenceCount], "embedded");
      const maskShape = [sequenceLength, this.#maskRows, 1, sequenceCount];
      this.mask = arena.tensor(F16, maskShape, "sequences mask");
      this.memory = { contextLength, keyValues, positions, rows, input: { embedded } };
      arena.allocate(device);
      const staged = [embedded, positions, rows, this.mask];
      const sizes = staged.map((tensor) => StagedTensor.sizeBytes(tensor));
      const memory = new StagingMemory(
        device,
        sizes.reduce((sum, size) => sum + size, 0),
      );
      this.#memory = memory;
      let first = 0;
      const stage = (tensor: Tensor) => {
        const one = new StagedTensor(tensor, memory, first);
        first += StagedTensor.sizeBytes(tensor);
        return one;
      };
      this.#embedded = stage(embedded);
      this.#positions = stage(positions);
      this.#rows = stage(rows);
      this.#mask = stage(this.mask);
    } catch (error) {
      arena.close();
      throw error;
    }
    this.#mask.values.uint16.fill(F16_MINUS_INFINITY);
    this.#mask.upload(machine.backend);
  }

  lengthOf(sequence: number): number {
    return this.#lengths.of(sequence);
  }

  setLength(sequence: number, tokenCount: number): void {
    this.#lengths.set(sequence, tokenCount);
    const first = this.#maskRow(sequence);
    const { uint16 } = this.#mask.values;
    uint16.fill(F16_MINUS_INFINITY, first, first + this.sequenceLength);
    uint16.fill(0, first, first + tokenCount);
    this.#mask.upload(this.#machine.backend, 2 * first, 2 * this.sequenceLength);
  }

  /** What was entered before must have been read: results of its step were waited for. */
  enter(tokens: Int32Array): void {
    const { backend, model } = this.#machine;
    for (let sequence = 0; sequence < this.sequenceCount; sequence++) {
      const position = this.#lengths.add(sequence);
      const embedding = this.#embeddingOf(tokens[sequence] ?? 0);
      this.#embedded.values.float32.set(embedding, sequence * model.embeddingLength);
      this.#positions.values.int32[sequence] = position;
      this.#rows.values.int64[sequence] = BigInt(sequence * this.sequenceLength + position);
      const seen = this.#maskRow(sequence) + position;
      this.#mask.values.uint16[seen] = 0;
      this.#mask.upload(backend, 2 * seen, 2);
    }
    for (const staged of [this.#embedded, this.#positions, this.#rows]) staged.upload(backend);
  }

  close(): void {
    this.#memory.close();
    this.#arena.close();
  }

  /** The entries of a sequence's token in the mask; the rows below are padding. */
  #maskRow(sequence: number): number {
    return sequence * this.sequenceLength * this.#maskRows;
  }

  #embeddingOf(token: number): Float32Array {
    const { embedding } = this.#machine.weights;
    const rowBytes = rowSizeBytes(embedding.type, this.#machine.model.embeddingLength);
    const row = embedding.bytes().subarray(token * rowBytes, (token + 1) * rowBytes);
    return dequantise(embedding.arena.library, embedding.type, row);
  }
}
