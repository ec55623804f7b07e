import { ShardChainError } from "../errors.ts";
import type { Address } from "./address.ts";

/**
 * Reads what `ByteWriter` wrote. Safe on hostile bytes: it never reads beyond them and never
 * allocates more than their length.
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
  u8(): number {
    return this.#buffer.readUInt8(this.#advance(1));
  }

  /** A byte that is 0 or 1. */
  flag(): boolean {
    const value = this.u8();
    return value > 1 ? this.fail(`${value} where 0 or 1 should be`) : value === 1;
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
    const from = this.#advance(20);
    return `0x${this.#buffer.toString("hex", from, this.#at)}`;
  }

  /** A copy of a block of bytes with its length before it. */
  block(): Uint8Array {
    const length = this.u32();
    const from = this.#advance(length);
    return Uint8Array.from(this.#buffer.subarray(from, this.#at));
  }

  /** A count that the bytes behind it can hold, if each item takes `itemBytesMin` or more. */
  count(itemBytesMin: number): number {
    const count = this.u32();
    if (count * itemBytesMin > this.remaining) this.fail(`${count} items do not fit in the rest`);
    return count;
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

  #advance(countBytes: number): number {
    const from = this.#at;
    if (countBytes > this.remaining) this.fail(`they end after ${this.#buffer.length} bytes`);
    this.#at = from + countBytes;
    return from;
  }
}
