import { GgmlLibrary, quantise, rowSizeBytes, TENSOR_TYPE } from "@fmlab/ggml";
import type { Prng } from "@fmlab/sim";

/** Bytes of a Q4_0 block: a scale, then 32 weights of 4 bits. @see ggml-common.h `block_q4_0` */
const Q4_0_BYTES = 18;
/** Deviation of a whole number drawn evenly from -8 to 7. */
const NIBBLE_DEVIATION = 4.61;

/**
 * Endless random weights in blocks of Q4_0, some hundred MB/s: every bit but the scales is random,
 * and the scales' signs are, so that the mean is zero.
 */
export class RandomBlocks {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(prng: Prng) {
    this.#a = prng.nextUint32() | 1;
    this.#b = prng.nextUint32();
    this.#c = prng.nextUint32();
    this.#d = prng.nextUint32();
  }

  /** Fills whole blocks whose weights have the given deviation. */
  fill(bytes: Uint8Array, deviation: number): void {
    const words = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
    const scale = halfOf(deviation / NIBBLE_DEVIATION);
    for (let block = 0; block < words.length; block += Q4_0_BYTES / 2) {
      let bits = this.#next();
      words[block] = scale | (bits & 0x8000);
      for (let i = 1; i < Q4_0_BYTES / 2; i += 2) {
        bits = this.#next();
        words[block + i] = bits;
        words[block + i + 1] = bits >>> 16;
      }
    }
  }

  /** @see Marsaglia 2003, "Xorshift RNGs": xor128 */
  #next(): number {
    const t = this.#a ^ (this.#a << 11);
    this.#a = this.#b;
    this.#b = this.#c;
    this.#c = this.#d;
    this.#d = this.#d ^ (this.#d >>> 19) ^ t ^ (t >>> 8);
    return this.#d;
  }
}

/** The nearest half-precision number of a positive one in the normal range, as its bits. */
function halfOf(value: number): number {
  const exponent = Math.floor(Math.log2(value));
  const mantissa = Math.round((value / 2 ** exponent - 1) * 1024);
  return ((exponent + 15) << 10) + mantissa;
}

/** Rows of numbers as bytes of a type. */
export function encodeRows(values: Float32Array, columns: number, type: number): Uint8Array {
  if (type === TENSOR_TYPE.F32) return new Uint8Array(values.buffer);
  return quantise(GgmlLibrary.load(), type, values, columns);
}

/** Bytes of a tensor. */
export function tensorBytes(type: number, shape: readonly number[]): number {
  const [columns = 1, ...others] = shape;
  return rowSizeBytes(type, columns) * others.reduce((product, length) => product * length, 1);
}
