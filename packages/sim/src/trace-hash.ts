/**
 * A hash of everything a run did, in order: two runs with equal hashes did the same, bit for bit.
 *
 * 128 bits in four lanes of 32 (multiply, rotate and add as in xxHash; final mixing as in
 * MurmurHash3), the same on every machine. Finds accidents, not forgeries: it is not cryptographic.
 */
export class TraceHash {
  readonly #lanes = new Uint32Array([0x9e3779b9, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f]);
  readonly #float = new DataView(new ArrayBuffer(8));
  #count = 0;

  /** How many values were added. */
  get count(): number {
    return this.#count;
  }

  /** Any number, by its bits: 0 and -0 differ, NaN is one value. */
  addNumber(value: number): this {
    this.#float.setFloat64(0, Number.isNaN(value) ? Number.NaN : value);
    this.#begin(1);
    this.#addWord(this.#float.getUint32(0));
    this.#addWord(this.#float.getUint32(4));
    return this;
  }

  /** A text, by its UTF-16 code units and its length: `"ab", "c"` differs from `"a", "bc"`. */
  addString(text: string): this {
    this.#begin(2);
    this.#addWord(text.length);
    for (let i = 0; i < text.length; i++) this.#addWord(text.charCodeAt(i));
    return this;
  }

  /** Bytes and their length. */
  addBytes(bytes: Uint8Array): this {
    this.#begin(3);
    this.#addWord(bytes.length);
    for (let i = 0; i < bytes.length; i++) this.#addWord(bytes[i] as number);
    return this;
  }

  /** The hash of what was added so far, 32 lower-case hex digits. More may be added afterwards. */
  digest(): string {
    let [a, b, c, d] = this.#lanes as unknown as [number, number, number, number];
    a ^= this.#count;
    [a, b, c, d] = [mix(a + b + c + d), mix(b + a), mix(c + a), mix(d + a)];
    return [a + b + c + d, b + a, c + b, d + c]
      .map((lane) => (lane >>> 0).toString(16).padStart(8, "0"))
      .join("");
  }

  #begin(kind: number): void {
    this.#count++;
    this.#addWord(kind);
  }

  #addWord(word: number): void {
    const lanes = this.#lanes;
    const [a, b, c, d] = lanes as unknown as [number, number, number, number];
    lanes[0] = Math.imul(rotate(a + Math.imul(word, 0x85ebca77) + d, 13), 0x9e3779b1);
    lanes[1] = Math.imul(rotate(b ^ Math.imul(word, 0xc2b2ae3d), 15), 0x27d4eb2f) + a;
    lanes[2] = Math.imul(rotate(c + Math.imul(word, 0x165667b1), 17), 0x85ebca77) ^ b;
    lanes[3] = Math.imul(rotate(d ^ Math.imul(word, 0x9e3779b1), 19), 0xc2b2ae3d) + c;
  }
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function mix(word: number): number {
  let z = word;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return z ^ (z >>> 16);
}
