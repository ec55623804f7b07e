import { assert } from "@fmlab/experiment";
import { TENSOR_STRUCT, type Tensor } from "@fmlab/ggml";

/** Where `struct ggml_tensor` keeps its place in memory; ggml 0.9.4, checked for each tensor. */
const PLACE_BYTE = 248;

/**
 * A tensor of a graph that is built once and computed on other rows, or the matrix of another slot,
 * each time: its place and its number of rows are numbers in native memory, which back ends read
 * when a graph is begun and not later.
 */
export class MovingTensor {
  readonly #shape: BigInt64Array;
  readonly #place: BigInt64Array | undefined;
  readonly #address: bigint;
  readonly #dimension: number;
  readonly #rowsMax: number;

  /**
   * @param tensor     a leaf or result as large as it may ever be; where it moves, placed at the
   *                   start of what it moves over
   * @param dimension  the one that rows are counted along
   * @param isMoving   false for one that stays where it lies
   */
  constructor(tensor: Tensor, dimension: number, isMoving: boolean) {
    const { arena, pointer } = tensor;
    const numbers = (byte: number, count: number) => {
      const bytes = arena.structBytes(pointer + BigInt(byte), 8 * count);
      return new BigInt64Array(bytes.buffer, bytes.byteOffset, count);
    };
    this.#shape = numbers(TENSOR_STRUCT.shape, 4);
    this.#dimension = dimension;
    this.#rowsMax = tensor.shape[dimension] ?? 1;
    this.#address = isMoving ? tensor.memory().address : 0n;
    this.#place = isMoving ? numbers(PLACE_BYTE, 1) : undefined;
    assert(
      this.#place === undefined || this.#place[0] === this.#address,
      "a tensor of this ggml keeps its place where it is looked for",
    );
  }

  /** From now on it lies so many bytes further, as `rows` rows, at most as it was made with. */
  set(rows: number, offsetBytes = 0): void {
    assert(rows >= 1 && rows <= this.#rowsMax, "rows fit the tensor");
    this.#shape[this.#dimension] = BigInt(rows);
    if (this.#place) this.#place[0] = this.#address + BigInt(offsetBytes);
  }

  /** From now on it lies so many bytes further. */
  moveTo(offsetBytes: number): void {
    if (this.#place) this.#place[0] = this.#address + BigInt(offsetBytes);
  }
}
