/**
 * Where an encoder puts its values: one encoder writes bytes (`ByteWriter`) and counts them
 * (`ByteCounter`), so that sizes in virtual time are those on sockets.
 */
export interface ByteSink {
  byte(value: number): void;
  /** Unsigned, below 2^53, 1 to 8 bytes (LEB128). */
  uint(value: number): void;
  /** 8 bytes, IEEE 754. */
  float(value: number): void;
  /** Length and bytes. */
  bytes(value: Uint8Array): void;
  /** As `bytes`, of a known length; `make` is called only where bytes are written. */
  blob(sizeBytes: number, make: () => Uint8Array): void;
  /** Length and UTF-8. */
  text(value: string): void;
  /** A digest in hex, as 32 bytes; any other text as such. One byte more tells which. */
  digest(value: string): void;
}

const DIGEST = /^[0-9a-f]{64}$/;
const DIGEST_BYTES = 32;

/** Counts the bytes that a `ByteWriter` would write. */
export class ByteCounter implements ByteSink {
  size = 0;

  byte(_: number): void {
    this.size += 1;
  }

  uint(value: number): void {
    let rest = value;
    this.size += 1;
    while (rest >= 128) {
      rest = Math.floor(rest / 128);
      this.size += 1;
    }
  }

  float(_: number): void {
    this.size += 8;
  }

  bytes(value: Uint8Array): void {
    this.uint(value.length);
    this.size += value.length;
  }

  blob(sizeBytes: number, _: () => Uint8Array): void {
    this.uint(sizeBytes);
    this.size += sizeBytes;
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.uint(length);
    this.size += length;
  }

  digest(value: string): void {
    this.size += 1;
    // As long as a digest and no digest: never made by this package.
    if (value.length === 2 * DIGEST_BYTES && DIGEST.test(value)) this.size += DIGEST_BYTES;
    else this.text(value);
  }
}

/** Writes values into a buffer that grows. */
export class ByteWriter implements ByteSink {
  #bytes: Buffer;
  #size = 0;

  constructor(sizeBytes = 256) {
    this.#bytes = Buffer.allocUnsafe(sizeBytes);
  }

  /** What was written; a view that the next write may change. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  byte(value: number): void {
    this.#grow(1);
    this.#bytes[this.#size++] = value;
  }

  uint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.byte((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  float(value: number): void {
    this.#grow(8);
    this.#size = this.#bytes.writeDoubleBE(value, this.#size);
  }

  bytes(value: Uint8Array): void {
    this.uint(value.length);
    this.#grow(value.length);
    this.#bytes.set(value, this.#size);
    this.#size += value.length;
  }

  blob(_: number, make: () => Uint8Array): void {
    this.bytes(make());
  }

  text(value: string): void {
    this.bytes(Buffer.from(value));
  }

  digest(value: string): void {
    const isDigest = DIGEST.test(value);
    this.byte(isDigest ? 1 : 0);
    if (!isDigest) {
      this.text(value);
      return;
    }
    this.#grow(DIGEST_BYTES);
    this.#size += this.#bytes.write(value, this.#size, "hex");
  }

  #grow(more: number): void {
    if (this.#size + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#size + more));
    larger.set(this.written);
    this.#bytes = larger;
  }
}

/** Bytes that are no message. Caught where decoding begins; callers see `undefined`. */
export class UnreadableBytes extends Error {}

/**
 * Reads what a `ByteWriter` wrote. Every length is checked against what is left before anything is
 * allocated, so hostile bytes cost no more memory than they have.
 */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    return this.#take(1)[0] as number;
  }

  /** @throws UnreadableBytes also for a number in more bytes than it needs */
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
    throw new UnreadableBytes("a number beyond 2^53, or not in its shortest form");
  }

  /** A finite number. */
  float(): number {
    const value = this.#take(8).readDoubleBE();
    if (!Number.isFinite(value)) throw new UnreadableBytes("a number that is not finite");
    return value;
  }

  /** A copy, so that nothing holds on to a whole frame. */
  bytes(): Uint8Array {
    return Uint8Array.from(this.#take(this.uint()));
  }

  text(): string {
    const bytes = this.#take(this.uint());
    const text = bytes.toString("utf8");
    // Other bytes of the same text would give a message two forms.
    if (!Buffer.from(text).equals(bytes)) throw new UnreadableBytes("text that is not UTF-8");
    return text;
  }

  digest(): string {
    const form = this.byte();
    if (form === 1) return this.#take(DIGEST_BYTES).toString("hex");
    const text = form === 0 ? this.text() : undefined;
    if (text === undefined || DIGEST.test(text)) throw new UnreadableBytes("no form of a digest");
    return text;
  }

  /** So many items; refused when fewer bytes are left than items. */
  list<T>(read: () => T): T[] {
    const count = this.uint();
    if (count > this.#bytes.length - this.#at) throw new UnreadableBytes("a list beyond the end");
    return Array.from({ length: count }, read);
  }

  #take(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw new UnreadableBytes("the bytes end too early");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
