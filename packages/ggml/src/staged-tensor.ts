import type { Backend } from "./backend.ts";
import type { Pointer } from "./native.ts";
import type { StagingMemory } from "./staging-memory.ts";
import type { Tensor } from "./tensor.ts";
import { TENSOR_TYPE } from "./tensor-types.ts";

/** Views of staging memory by element. */
export interface StagedValues {
  readonly bytes: Uint8Array;
  readonly float32: Float32Array;
  readonly int32: Int32Array;
  readonly int64: BigInt64Array;
  readonly uint16: Uint16Array;
}

/**
 * A tensor on a device with memory of the host beside it, from which it is written and into which
 * it is read in the order of a stream, while the caller goes on.
 */
export class StagedTensor {
  readonly values: StagedValues;
  readonly #address: Pointer;

  /**
   * @param tensor  placed and contiguous; for indices, nobody else may write it
   * @param first   where its bytes begin in the memory, a multiple of 8
   */
  constructor(
    readonly tensor: Tensor,
    memory: StagingMemory,
    first: number,
  ) {
    const { sizeBytes } = tensor;
    const bytes = memory.bytes(first, Math.ceil(sizeBytes / 8) * 8);
    bytes.fill(0);
    const { buffer, byteOffset, length } = bytes;
    this.#address = memory.address + BigInt(first);
    this.values = {
      bytes,
      float32: new Float32Array(buffer, byteOffset, length / 4),
      int32: new Int32Array(buffer, byteOffset, length / 4),
      int64: new BigInt64Array(buffer, byteOffset, length / 8),
      uint16: new Uint16Array(buffer, byteOffset, length / 2),
    };
    if (tensor.type === TENSOR_TYPE.I32) tensor.mirror = this.values.int32;
    if (tensor.type === TENSOR_TYPE.I64) tensor.mirror = this.values.int64;
  }

  /** Bytes of staging memory that a tensor takes, aligned for the next one. */
  static sizeBytes(tensor: Tensor): number {
    return Math.ceil(tensor.sizeBytes / 64) * 64;
  }

  /** Begins to write bytes of the tensor; the values must stay until the stream has passed. */
  upload(backend: Backend, first = 0, sizeBytes = this.tensor.sizeBytes - first): void {
    this.tensor.requireLive();
    const { native } = this.tensor.arena.library;
    const { pointer } = this.tensor;
    const from = this.#address + BigInt(first);
    native.ggml_backend_tensor_set_async(backend.pointer, pointer, from, first, sizeBytes);
  }

  /** Begins to read the tensor; the values are there when the stream has passed. */
  download(backend: Backend): void {
    this.tensor.requireLive();
    const { pointer, sizeBytes } = this.tensor;
    const { native } = this.tensor.arena.library;
    native.ggml_backend_tensor_get_async(backend.pointer, pointer, this.#address, 0, sizeBytes);
  }
}
