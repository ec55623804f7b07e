import { type ByteSink, DIGEST_BYTES, isDigest } from "./byte-sink.ts";

const MASK_64 = 0xffff_ffff_ffff_ffffn;

/**
 * Writes values into one growing buffer: whole messages as a `ByteSink`, and numbers of fixed width
 * (little-endian) for what is hashed. A writer may be used again and again; `written` is a view
 * that the next write makes stale: copy what must last.
 */
export class ByteWriter implements ByteSink {
  #buffer: Buffer;
  #length = 0;

  constructor(capacityBytes = 256) {
    this.#buffer = Buffer.allocUnsafe(capacityBytes);
  }

  /** Starts anew, with nothing written. */
  reset(): this {
    this.#length = 0;
    return this;
  }

  /** What was written since the last reset; valid until the next write. */
  get written(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** A copy of what was written since the last reset. */
  copy(): Uint8Array {
    return Uint8Array.from(this.written);
  }

  byte(value: number): this {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
    return this;
  }

  uint(value: number): this {
    let rest = value;
    while (rest >= 128) {
      this.byte((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    return this.byte(rest);
  }

  float(value: number): this {
    this.#reserve(8);
    this.#length = this.#buffer.writeDoubleBE(value, this.#length);
    return this;
  }

  bytes(value: Uint8Array): this {
    return this.uint(value.length).raw(value);
  }

  blob(_: number, make: () => Uint8Array): this {
    return this.bytes(make());
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value));
  }

  digest(value: string): this {
    if (!isDigest(value)) return this.byte(0).text(value);
    this.byte(1).#reserve(DIGEST_BYTES);
    this.#length += this.#buffer.write(value, this.#length, "hex");
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

  #reserve(countBytes: number): void {
    const needed = this.#length + countBytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
