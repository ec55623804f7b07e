const MASK_64 = 0xffff_ffff_ffff_ffffn;

/**
 * Writes numbers and texts, little-endian, into one growing buffer that is used again and again.
 * `bytes()` is a view that the next `reset` makes stale: copy what must last.
 */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(capacityBytes = 1024) {
    this.#buffer = Buffer.allocUnsafe(capacityBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** Starts anew with an empty text. */
  reset(): this {
    this.#length = 0;
    return this;
  }

  /** What was written since the last reset; valid until the next. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** A copy of what was written since the last reset. */
  copy(): Uint8Array {
    return Uint8Array.from(this.bytes());
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32LE(value, this.#length);
    return this;
  }

  /** A whole number below 2^48. */
  u48(value: number): this {
    this.#reserve(6);
    this.#length = this.#buffer.writeUIntLE(value, this.#length, 6);
    return this;
  }

  u64(value: bigint): this {
    this.#reserve(8);
    this.#length = this.#buffer.writeBigUInt64LE(value, this.#length);
    return this;
  }

  /** A whole number below 2^128: balances and amounts. */
  u128(value: bigint): this {
    return this.u64(value & MASK_64).u64(value >> 64n);
  }

  /** A whole number below 2^256: words of contract storage. */
  u256(value: bigint): this {
    return this.u128(value & ((1n << 128n) - 1n)).u128(value >> 128n);
  }

  /** Characters as bytes, without a length before them. */
  latin1(text: string): this {
    this.#reserve(text.length);
    this.#length += this.#buffer.write(text, this.#length, "latin1");
    return this;
  }

  /** `0x` and hex digits as bytes, without a length before them. */
  hex(text: string): this {
    const digits = text.length - 2;
    this.#reserve(digits / 2);
    this.#length += this.#buffer.write(text.slice(2), this.#length, "hex");
    return this;
  }

  /** Bytes without a length before them. */
  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Bytes with their length (u32) before them. */
  block(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes);
  }

  #reserve(countBytes: number): void {
    const needed = this.#length + countBytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
