import { GgmlLibrary, quantise, TENSOR_TYPE, type TensorType, tensorTypeInfo } from "@fmlab/ggml";
import { createPrng, type Prng } from "@fmlab/sim";
import type { ShapeTensor } from "./shape-tensors.ts";

/**
 * Numbers in a stretch of random content. Chosen: whole blocks of every type; at four bits a
 * stretch stays in a core's cache while it is copied from, and a copy is long enough to run at full
 * speed.
 */
const STRETCH_ELEMENTS = 1 << 17;
/** A tensor is a row of segments, each a window of half a stretch. */
const SEGMENT_ELEMENTS = STRETCH_ELEMENTS / 2;

/**
 * Random content for tensors of any size, the same for a seed however it is read. For each type and
 * deviation one stretch of normal numbers is quantised; every segment of a tensor is a window of it
 * that begins at a random block. So reading is copying, any bytes are valid blocks with scales that
 * ggml's quantiser made, and no two experts are alike.
 */
export class RandomContent {
  readonly #prng: Prng;
  /** Standard normal numbers, `[STRETCH_ELEMENTS]`. */
  #normals: Float32Array | undefined;
  /** By type and deviation. */
  readonly #stretches = new Map<string, Uint8Array>();
  /** By tensor: the first block of each segment's window. */
  readonly #windows = new Map<string, Uint32Array>();

  constructor(seed: number) {
    this.#prng = createPrng(seed, "shape-content");
  }

  /** Fills `target` with the bytes of `tensor` from `offset` on, which may be inside a block. */
  fill(tensor: ShapeTensor, offset: number, target: Uint8Array): void {
    const { blockBytes, blockElements } = tensorTypeInfo(tensor.type);
    const segmentBytes = (SEGMENT_ELEMENTS / blockElements) * blockBytes;
    const stretch = this.#stretchOf(tensor);
    const windows = this.#windowsOf(tensor, blockElements);
    for (let done = 0; done < target.length; ) {
      const at = offset + done;
      const segment = Math.floor(at / segmentBytes);
      const inside = at - segment * segmentBytes;
      const count = Math.min(segmentBytes - inside, target.length - done);
      const from = (windows[segment] ?? 0) * blockBytes + inside;
      target.set(stretch.subarray(from, from + count), done);
      done += count;
    }
  }

  #stretchOf({ content, type }: ShapeTensor): Uint8Array {
    const deviation = content.kind === "random" ? content.deviation : 0;
    const key = `${content.kind} ${type} ${deviation}`;
    let stretch = this.#stretches.get(key);
    if (stretch === undefined) {
      const values =
        content.kind === "ones"
          ? new Float32Array(STRETCH_ELEMENTS).fill(1)
          : this.#standardNormals().map((value) => deviation * value);
      stretch = encode(type, values);
      this.#stretches.set(key, stretch);
    }
    return stretch;
  }

  #standardNormals(): Float32Array {
    if (this.#normals === undefined) {
      const prng = this.#prng.fork("normals");
      this.#normals = Float32Array.from({ length: STRETCH_ELEMENTS }, () => prng.normal());
    }
    return this.#normals;
  }

  #windowsOf({ elements, name }: ShapeTensor, blockElements: number): Uint32Array {
    let windows = this.#windows.get(name);
    if (windows === undefined) {
      const prng = this.#prng.fork(name);
      const choices = (STRETCH_ELEMENTS - SEGMENT_ELEMENTS) / blockElements + 1;
      const count = Math.ceil(elements / SEGMENT_ELEMENTS);
      windows = Uint32Array.from({ length: count }, () => prng.nextInt(choices));
      this.#windows.set(name, windows);
    }
    return windows;
  }
}

function encode(type: TensorType, values: Float32Array): Uint8Array {
  if (type === TENSOR_TYPE.F32) return new Uint8Array(values.buffer);
  return quantise(GgmlLibrary.load(), type, values, values.length);
}
