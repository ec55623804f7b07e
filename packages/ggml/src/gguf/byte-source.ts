import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { GgufError } from "./errors.ts";

/** Bytes fetched at once while the header is read; a header is a few hundred kB to a few MB. */
const WINDOW_BYTES = 1 << 18;

/** Longest text in a header, bytes. The longest known, chat templates, are below 100 kB. */
export const TEXT_BYTES_MAX = 1 << 24;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads little-endian fields one after another from a file, each checked against the file's end
 * before it is touched. Holds one window of the file in memory.
 */
export class ByteSource {
  readonly path: string;
  readonly sizeBytes: number;
  #fd: number;
  #window = new Uint8Array(0);
  #view = new DataView(this.#window.buffer);
  #windowStart = 0;
  /** Next byte to read, from the start of the file. */
  position = 0;

  /** @throws GgufError `UNREADABLE` when the path is not a readable regular file */
  constructor(path: string) {
    this.path = path;
    try {
      // Non-blocking, so that opening a pipe returns and is then refused instead of waiting for a
      // writer.
      this.#fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    } catch (cause) {
      throw unreadable(path, reasonOf(cause), cause);
    }
    const stat = fstatSync(this.#fd);
    this.sizeBytes = stat.size;
    if (!stat.isFile()) {
      this.close();
      throw unreadable(path, "it is not a regular file");
    }
  }

  /** Frees the file handle; harmless when called twice. */
  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  get remainingBytes(): number {
    return this.sizeBytes - this.position;
  }

  /** Bytes of the file at `position` for the whole of `target`. */
  readAt(position: number, target: Uint8Array): void {
    if (this.#fd < 0) throw unreadable(this.path, "it was closed");
    let done = 0;
    while (done < target.length) {
      let got: number;
      try {
        got = readSync(this.#fd, target, done, target.length - done, position + done);
      } catch (cause) {
        throw unreadable(this.path, reasonOf(cause), cause);
      }
      if (got === 0) throw this.truncated(position + done, target.length - done);
      done += got;
    }
  }

  u8(): number {
    const at = this.#take(1);
    return this.#view.getUint8(at);
  }
  i8(): number {
    const at = this.#take(1);
    return this.#view.getInt8(at);
  }
  u16(): number {
    const at = this.#take(2);
    return this.#view.getUint16(at, true);
  }
  i16(): number {
    const at = this.#take(2);
    return this.#view.getInt16(at, true);
  }
  u32(): number {
    const at = this.#take(4);
    return this.#view.getUint32(at, true);
  }
  i32(): number {
    const at = this.#take(4);
    return this.#view.getInt32(at, true);
  }
  f32(): number {
    const at = this.#take(4);
    return this.#view.getFloat32(at, true);
  }
  f64(): number {
    const at = this.#take(8);
    return this.#view.getFloat64(at, true);
  }
  u64(): bigint {
    const at = this.#take(8);
    return this.#view.getBigUint64(at, true);
  }
  i64(): bigint {
    const at = this.#take(8);
    return this.#view.getBigInt64(at, true);
  }

  /** A count of things of at least `bytesEach` bytes, checked against what is left of the file. */
  count(what: string, bytesEach: number, max = Number.MAX_SAFE_INTEGER): number {
    const position = this.position;
    const count = this.u64();
    const room = Math.floor(this.remainingBytes / bytesEach);
    if (count > BigInt(Math.min(room, max))) {
      const limit =
        room <= max
          ? `the ${this.remainingBytes} bytes left in the file hold at most ${room}`
          : `this reader takes at most ${max}`;
      throw new GgufError(
        `${this.path}: ${what} at byte ${position} is ${count}, but ${limit}. ` +
          "The file is damaged; fetch it again.",
        { code: "ABSURD_COUNT", path: this.path, position, what, count: String(count) },
      );
    }
    return Number(count);
  }

  /** Raw bytes; the caller has checked the length with `count`. */
  bytes(length: number): Uint8Array {
    if (length > this.remainingBytes) throw this.truncated(this.position, length);
    if (length > WINDOW_BYTES) {
      const big = new Uint8Array(length);
      this.readAt(this.position, big);
      this.position += length;
      return big;
    }
    const at = this.#take(length);
    return this.#window.subarray(at, at + length);
  }

  /** A length-prefixed UTF-8 text. */
  text(what: string, bytesMax = TEXT_BYTES_MAX): string {
    const length = this.count(`length of ${what}`, 1, bytesMax);
    const position = this.position;
    try {
      return utf8.decode(this.bytes(length));
    } catch (cause) {
      if (cause instanceof GgufError) throw cause;
      throw new GgufError(
        `${this.path}: ${what} at byte ${position} is not UTF-8. ` +
          "The file is damaged; fetch it again.",
        { code: "BAD_UTF8", path: this.path, position, what },
        { cause },
      );
    }
  }

  truncated(position: number, neededBytes: number): GgufError {
    return new GgufError(
      `${this.path}: the file ends at byte ${this.sizeBytes}, but ${neededBytes} bytes are ` +
        `needed at byte ${position}. It is cut short; fetch it again.`,
      { code: "TRUNCATED", path: this.path, position, neededBytes, fileBytes: this.sizeBytes },
    );
  }

  badValue(position: number, what: string, found: string, expected: string): GgufError {
    return new GgufError(
      `${this.path}: ${what} at byte ${position} is ${found}, expected ${expected}. ` +
        "The file is damaged or was written by a broken tool.",
      { code: "BAD_VALUE", path: this.path, position, what, found },
    );
  }

  /** Moves past `length` bytes and returns where they start in the window. */
  #take(length: number): number {
    const start = this.position;
    if (length > this.sizeBytes - start) throw this.truncated(start, length);
    if (start < this.#windowStart || start + length > this.#windowStart + this.#window.length) {
      const size = Math.min(Math.max(WINDOW_BYTES, length), this.sizeBytes - start);
      const window = new Uint8Array(size);
      this.readAt(start, window);
      this.#window = window;
      this.#view = new DataView(window.buffer);
      this.#windowStart = start;
    }
    this.position = start + length;
    return start - this.#windowStart;
  }
}

function unreadable(path: string, reason: string, cause?: unknown): GgufError {
  return new GgufError(
    `${path} cannot be read: ${reason}. Check the path and its permissions.`,
    { code: "UNREADABLE", path, reason },
    { cause },
  );
}

function reasonOf(cause: unknown): string {
  const code = (cause as { code?: unknown } | null)?.code;
  const known: Record<string, string> = {
    ENOENT: "there is no such file",
    EACCES: "permission is denied",
    EISDIR: "it is a folder",
    ENOTDIR: "a part of the path is not a folder",
    EMFILE: "too many files are open",
    EIO: "the device reports an error",
  };
  if (typeof code === "string") return known[code] ?? code;
  return cause instanceof Error ? cause.message : String(cause);
}
