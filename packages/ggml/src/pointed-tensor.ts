import type { Arena } from "./arena.ts";
import type { BackendBuffer } from "./backend-buffer.ts";
import { GgmlError } from "./errors.ts";
import { TENSOR_STRUCT } from "./library.ts";
import type { Pointer } from "./native.ts";
import type { Tensor } from "./tensor.ts";

/**
 * A leaf in memory of the host whose place changes between computations of the same graph: how one
 * graph multiplies with this matrix now and with that one next time, without copying either. Only
 * one number in native memory changes.
 */
export class PointedTensor {
  readonly tensor: Tensor;
  readonly #data: BigUint64Array;

  /**
   * @param arena   of the graph; the leaf is made there
   * @param buffer  memory of the host, at least as large as the leaf: where it lies at first
   * @param type    of its elements
   * @param shape   1 to 4 dimensions, the contiguous one first
   * @throws GgmlError `LIBRARY_INCOMPATIBLE` when this ggml keeps the address elsewhere
   */
  constructor(arena: Arena, buffer: BackendBuffer, type: number, shape: readonly number[]) {
    this.tensor = arena.tensor(type, shape);
    const { native } = arena.library;
    native.ggml_backend_tensor_alloc(buffer.pointer, this.tensor.pointer, buffer.address);
    this.tensor.place(buffer, buffer.address);
    const field = this.tensor.pointer + BigInt(TENSOR_STRUCT.data);
    const bytes = arena.structBytes(field, 8);
    this.#data = new BigUint64Array(bytes.buffer, bytes.byteOffset, 1);
    if (this.#data[0] !== buffer.address) {
      const problem = "struct ggml_tensor keeps the address of its data elsewhere";
      throw new GgmlError(`ggml in ${arena.library.directory} cannot be used: ${problem}`, {
        code: "LIBRARY_INCOMPATIBLE",
        directory: arena.library.directory,
        problem,
      });
    }
  }

  /**
   * From now on the leaf is what lies at `address`: memory of this process that its owner keeps
   * until the graph is computed, with as many bytes as the tensor has. Nothing checks that.
   */
  pointTo(address: Pointer): void {
    this.#data[0] = address;
  }
}
