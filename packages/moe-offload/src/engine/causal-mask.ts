import { Arena, type Device, ops, TENSOR_TYPE, type Tensor } from "@fmlab/ggml";

/** Minus infinity as a half-precision number. */
export const F16_MINUS_INFINITY = 0xfc00;

/** The mask of a batch of tokens that follow each other, in memory that several graphs read. */
export class CausalMask {
  readonly tensor: Tensor; // [visible, padded tokens] F16
  readonly #arena: Arena;

  /**
   * Each token sees the `position` tokens before the batch, those of the batch up to itself.
   * @param visible  tokens of the cache that the mask covers; default: those up to the last
   * @param memory   where it shall lie, F16; default: memory of its own
   */
  constructor(
    device: Device,
    tokenCount: number,
    position: number,
    visible: number = position + tokenCount,
    memory?: Tensor,
  ) {
    const rows = ops.paddedMaskRows(tokenCount);
    this.#arena = new Arena(device.library, { tensorCountMax: 1 });
    try {
      this.tensor = this.#arena.tensor(TENSOR_TYPE.F16, [visible, rows], "mask");
      if (memory) this.#arena.placeWithin(this.tensor, memory, 0);
      this.#arena.allocate(device);
      const bits = new Uint16Array(visible * rows).fill(F16_MINUS_INFINITY);
      for (let i = 0; i < tokenCount; i++) {
        bits.fill(0, i * visible, i * visible + position + i + 1);
      }
      this.tensor.write(bits);
    } catch (error) {
      this.#arena.close();
      throw error;
    }
  }

  /** Frees the memory. */
  close(): void {
    this.#arena.close();
  }
}
