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

/** Bytes of a digest. */
export const DIGEST_BYTES = 32;

/** Whether a text is a digest in lower-case hex. */
export function isDigest(text: string): boolean {
  return text.length === 2 * DIGEST_BYTES && DIGEST.test(text);
}

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
    if (isDigest(value)) this.size += DIGEST_BYTES;
    else this.text(value);
  }
}
