import type { GgmlLibrary } from "@fmlab/ggml";
import { HostMemory } from "@fmlab/ggml";

const INT_BYTES = 4;
const POINTER_BYTES = 8;

/** Tokens of several sequences for one `llama_decode`, in native memory. */
export class LlamaBatch {
  readonly #memory: HostMemory;
  readonly #tokensMax: number;
  readonly #tokens: Int32Array;
  readonly #positions: Int32Array;
  readonly #sequences: Int32Array;
  readonly #wanted: Int8Array;
  #count = 0;

  /** @throws GgmlError `ALLOCATION_FAILED` */
  constructor({ foreign }: GgmlLibrary, tokensMax: number) {
    const pointersBytes = POINTER_BYTES * tokensMax;
    const sizeBytes = pointersBytes + (4 * INT_BYTES + 1) * tokensMax;
    this.#memory = new HostMemory(foreign, sizeBytes, "a batch of libllama");
    this.#tokensMax = tokensMax;
    const list = (rank: number) => {
      const { buffer, byteOffset } = this.#memory.bytes(this.#at(rank), INT_BYTES * tokensMax);
      return new Int32Array(buffer, byteOffset, tokensMax);
    };
    this.#tokens = list(0);
    this.#positions = list(1);
    this.#sequences = list(2);
    list(3).fill(1);
    const { buffer, byteOffset } = this.#memory.bytes(this.#at(4), tokensMax);
    this.#wanted = new Int8Array(buffer, byteOffset, tokensMax);
    const words = this.#memory.bytes(0, pointersBytes);
    const pointers = new DataView(words.buffer, words.byteOffset, pointersBytes);
    for (let i = 0; i < tokensMax; i++) {
      pointers.setBigUint64(POINTER_BYTES * i, this.#address(2) + BigInt(INT_BYTES * i), true);
    }
  }

  /** Empties the batch. */
  clear(): void {
    this.#count = 0;
  }

  /**
   * Adds a token.
   * @param wantsLogits  its logits are computed
   * @returns its number in the batch
   * @throws RangeError when the batch is full
   */
  add(token: number, position: number, sequence: number, wantsLogits: boolean): number {
    const index = this.#count;
    if (index === this.#tokensMax) throw new RangeError(`a batch holds ${index} tokens`);
    this.#tokens[index] = token;
    this.#positions[index] = position;
    this.#sequences[index] = sequence;
    this.#wanted[index] = wantsLogits ? 1 : 0;
    this.#count++;
    return index;
  }

  /** As `struct llama_batch`; valid until the next change. */
  get struct() {
    return {
      n_tokens: this.#count,
      token: this.#address(0),
      embd: null,
      pos: this.#address(1),
      n_seq_id: this.#address(3),
      seq_id: this.#memory.address,
      logits: this.#address(4),
    };
  }

  /** Frees the memory. */
  close(): void {
    this.#memory.free();
  }

  /** Where a list begins: after the pointers, one list of ints after the other. */
  #at(rank: number): number {
    return (POINTER_BYTES + rank * INT_BYTES) * this.#tokensMax;
  }

  #address(rank: number): bigint {
    return this.#memory.address + BigInt(this.#at(rank));
  }
}
