import { ShardChainError } from "../errors.ts";
import type { Address } from "../ledger/address.ts";
import { DIGEST_BYTES, isDigest } from "./byte-sink.ts";

/**
 * Reads what a `ByteWriter` wrote. Every length is checked against what is left before anything is
 * allocated, so hostile bytes cost no more memory than they have, and each value is read in one
 * form only.
 */
export class ByteReader {
  readonly #buffer: Buffer;
  readonly #what: string;
  #at = 0;

  /** @param what what the bytes should be, for error messages, e.g. `transaction` */
  constructor(bytes: Uint8Array, what: string) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  get remaining(): number {
    return this.#buffer.length - this.#at;
  }

  /** @throws ShardChainError `BAD_BYTES`, also from every other reading method */
  byte(): number {
    return this.#buffer.readUInt8(this.#advance(1));
  }

  /** A byte that is 0 or 1. */
  flag(): boolean {
    const value = this.byte();
    return value > 1 ? this.fail(`${value} where 0 or 1 should be`) : value === 1;
  }

  /** LEB128 in its shortest form. */
  uint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (!Number.isSafeInteger(value) || (byte === 0 && i > 0)) break;
        return value;
      }
      scale *= 128;
    }
    return this.fail("a number beyond 2^53, or not in its shortest form");
  }

  /** A finite number. */
  float(): number {
    const value = this.#buffer.readDoubleBE(this.#advance(8));
    return Number.isFinite(value) ? value : this.fail("a number that is not finite");
  }

  /** A copy, so that nothing holds on to a whole frame. */
  bytes(): Uint8Array {
    return Uint8Array.from(this.#take(this.uint()));
  }

  text(): string {
    const bytes = this.#take(this.uint());
    const text = bytes.toString("utf8");
    // Other bytes of the same text would give a message two forms.
    return Buffer.from(text).equals(bytes) ? text : this.fail("text that is not UTF-8");
  }

  digest(): string {
    if (this.flag()) return this.#take(DIGEST_BYTES).toString("hex");
    const text = this.text();
    return isDigest(text) ? this.fail("a digest written as text") : text;
  }

  /** So many items, of `itemBytesMin` or more each; refused when the rest cannot hold them. */
  list<T>(read: () => T, itemBytesMin = 1): T[] {
    const count = this.uint();
    if (count * itemBytesMin > this.remaining) this.fail(`${count} items do not fit in the rest`);
    return Array.from({ length: count }, read);
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#advance(4));
  }

  u48(): number {
    return this.#buffer.readUIntLE(this.#advance(6), 6);
  }

  u64(): bigint {
    return this.#buffer.readBigUInt64LE(this.#advance(8));
  }

  u128(): bigint {
    return this.u64() | (this.u64() << 64n);
  }

  u256(): bigint {
    return this.u128() | (this.u128() << 128n);
  }

  latin1(countBytes: number): string {
    const from = this.#advance(countBytes);
    return this.#buffer.toString("latin1", from, this.#at);
  }

  address(): Address {
    return `0x${this.#take(20).toString("hex")}`;
  }

  /** Ends the reading: nothing may be left. */
  end(): void {
    if (this.remaining > 0) this.fail(`${this.remaining} bytes too many`);
  }

  /** Refuses the bytes. */
  fail(problem: string): never {
    throw new ShardChainError(`these bytes are no ${this.#what}: ${problem}`, {
      code: "BAD_BYTES",
      what: this.#what,
      problem,
    });
  }

  #take(countBytes: number): Buffer {
    const from = this.#advance(countBytes);
    return this.#buffer.subarray(from, this.#at);
  }

  #advance(countBytes: number): number {
    const from = this.#at;
    if (countBytes > this.remaining) this.fail(`they end after ${this.#buffer.length} bytes`);
    this.#at = from + countBytes;
    return from;
  }
}

/** What `read` makes of all the bytes; undefined where they are none of what they should be. */
export function readBytes<T>(
  bytes: Uint8Array,
  what: string,
  read: (reader: ByteReader) => T,
): T | undefined {
  const reader = new ByteReader(bytes, what);
  try {
    const value = read(reader);
    reader.end();
    return value;
  } catch (error) {
    if (error instanceof ShardChainError && error.failure.code === "BAD_BYTES") return undefined;
    throw error;
  }
}
