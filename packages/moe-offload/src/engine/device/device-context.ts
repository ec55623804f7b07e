import {
  Arena,
  type Backend,
  type Device,
  dequantise,
  ops,
  rowSizeBytes,
  StagedTensor,
  StagingMemory,
  TENSOR_TYPE,
  type Tensor,
} from "@fmlab/ggml";
import { F16_MINUS_INFINITY } from "../causal-mask.ts";
import type { GraphContext } from "../graph-context.ts";
import type { HyperParameters } from "../hyper-parameters.ts";

/** Kernels of attention on graphics cards read the cache in stretches of so many tokens. */
const CACHE_STRETCH = 256;

/** Tokens of the cache that are read to see `tokens` of them. */
export function visibleStretch(tokens: number): number {
  return Math.ceil(tokens / CACHE_STRETCH) * CACHE_STRETCH;
}

/**
 * What lasts from token to token on a device: the KV cache, and the inputs with memory of the host
 * beside them, from which each batch is entered in the order of the stream. Rows of the embedding
 * are looked up on the host, since cards cannot look them up in all types.
 */
export class DeviceContext implements GraphContext {
  /** Tokens the cache holds; a multiple of what kernels read at once. */
  readonly contextLength: number;
  readonly keyValues: readonly Tensor[];
  readonly positions: Tensor;
  readonly rows: Tensor;
  readonly input: { readonly embedded: Tensor }; // [width, batchTokens] F32
  /** What goes from layer to layer of one token, `[width, 1]` F32. */
  readonly hidden: Tensor;
  /** What one token sees of the cache, `[contextLength, 64]` F16. */
  readonly mask: Tensor;
  readonly #backend: Backend;
  readonly #arena: Arena;
  readonly #memory: StagingMemory;
  readonly #embedded: StagedTensor;
  readonly #positions: StagedTensor;
  readonly #rows: StagedTensor;
  readonly #mask: StagedTensor;
  readonly #table: Tensor;
  readonly #width: number;
  /** Tokens that the mask shows. */
  #shown = 0;

  /**
   * @param embedding  `[width, vocabulary]` in memory of the host
   * @throws GgmlError `ALLOCATION_FAILED`
   */
  constructor(
    model: HyperParameters,
    device: Device,
    backend: Backend,
    embedding: Tensor,
    contextLength: number,
    readonly batchTokens: number,
  ) {
    this.#backend = backend;
    this.#table = embedding;
    this.#width = model.embeddingLength;
    this.contextLength = visibleStretch(contextLength);
    const arena = new Arena(device.library, { tensorCountMax: model.layerCount + 6 });
    this.#arena = arena;
    const { F16, F32, I32, I64 } = TENSOR_TYPE;
    this.keyValues = Array.from({ length: model.layerCount }, (_, layer) =>
      arena.tensor(F16, [2 * model.keyLength, this.contextLength], `kv.${layer}`),
    );
    this.positions = arena.tensor(I32, [batchTokens], "positions");
    this.rows = arena.tensor(I64, [batchTokens], "rows");
    const embedded = arena.tensor(F32, [this.#width, batchTokens], "embedded");
    this.input = { embedded };
    this.hidden = arena.tensor(F32, [this.#width, 1], "hidden");
    this.mask = arena.tensor(F16, [this.contextLength, ops.paddedMaskRows(1)], "mask");
    try {
      arena.allocate(device);
      const staged = [embedded, this.positions, this.rows, this.mask];
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
      this.#positions = stage(this.positions);
      this.#rows = stage(this.rows);
      this.#mask = stage(this.mask);
    } catch (error) {
      arena.close();
      throw error;
    }
    this.#mask.values.uint16.fill(F16_MINUS_INFINITY);
    this.#mask.upload(backend);
  }

  /** Enters `tokens` as the inputs of a batch that begins at `position`. */
  enter(tokens: ArrayLike<number>, from: number, count: number, position: number): void {
    // The stream may still read what was entered before.
    this.#backend.synchronize();
    const { float32 } = this.#embedded.values;
    for (let i = 0; i < count; i++) {
      float32.set(this.#embeddingOf(tokens[from + i] ?? 0), i * this.#width);
      this.#positions.values.int32[i] = position + i;
      this.#rows.values.int64[i] = BigInt(position + i);
    }
    this.#embedded.upload(this.#backend, 0, count * this.#width * 4);
    this.#positions.upload(this.#backend, 0, count * 4);
    this.#rows.upload(this.#backend, 0, count * 8);
  }

  /** Shows the first `count` tokens of the cache to a single token. */
  show(count: number): void {
    if (count === this.#shown) return;
    const bits = this.#mask.values.uint16;
    const [first, last] = [Math.min(count, this.#shown), Math.max(count, this.#shown)];
    bits.fill(count > this.#shown ? 0 : F16_MINUS_INFINITY, first, last);
    this.#mask.upload(this.#backend, 2 * first, 2 * (last - first));
    this.#shown = count;
  }

  /** Frees the memory; the device must be done with it. */
  close(): void {
    this.#memory.close();
    this.#arena.close();
  }

  #embeddingOf(token: number): Float32Array {
    const { arena, type } = this.#table;
    const rowBytes = rowSizeBytes(type, this.#width);
    const row = this.#table.bytes().subarray(token * rowBytes, (token + 1) * rowBytes);
    return dequantise(arena.library, type, row);
  }
}
