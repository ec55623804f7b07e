import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { MoeError } from "../errors.ts";

/** A tensor that will be written: its bytes come later. */
export interface StreamedTensor {
  readonly name: string;
  /** ggml type number. */
  readonly type: number;
  /** In ne order, the contiguous dimension first. */
  readonly shape: readonly number[];
  readonly sizeBytes: number;
}

/** Bytes of alignment of the data part: the default of the format. */
const ALIGNMENT = 32;
const MAGIC = 0x46554747;
const VERSION = 3;
/** Numbers of metadata value types in the file. @see GGUF specification */
const TYPE_UINT32 = 4;
const TYPE_STRING = 8;

/**
 * Writes a GGUF file whose tensors do not fit in memory together: the header first, then the bytes
 * of every tensor in order, in pieces of any length. The file appears under its name only when it
 * is complete; until then, and after any failure, there is none.
 *
 * @see https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
export class GgufStream {
  readonly path: string;
  /** Bytes the finished file has. */
  readonly sizeBytes: number;
  readonly #temporaryPath: string;
  readonly #tensors: readonly StreamedTensor[];
  #fd: number;
  /** Tensors that are complete, and bytes of the one that is not. */
  #next = 0;
  #written = 0;
  #isOver = false;

  /**
   * Begins a file and writes its header.
   * @throws MoeError `DISK_FULL` | `UNWRITABLE`
   */
  constructor(
    path: string,
    metadata: ReadonlyMap<string, string | number>,
    tensors: readonly StreamedTensor[],
  ) {
    this.path = path;
    this.#tensors = tensors;
    const header = encodeHeader(metadata, tensors);
    this.sizeBytes = tensors.reduce((sum, one) => sum + padded(one.sizeBytes), header.length);
    this.#temporaryPath = temporaryPath(path);
    this.#fd = -1;
    this.#guard(() => {
      this.#fd = openSync(this.#temporaryPath, "w");
      this.#put(header);
    });
  }

  /**
   * Adds the next bytes of the tensor that is being written.
   * @throws MoeError `DISK_FULL` | `UNWRITABLE`; the unfinished file is then gone
   */
  write(bytes: Uint8Array): void {
    const tensor = this.#tensors[this.#next];
    const size = tensor?.sizeBytes ?? 0;
    if (this.#written + bytes.length > size) {
      throw new RangeError(`${tensor?.name ?? "the file"} takes no more than ${size} bytes`);
    }
    this.#guard(() => this.#put(bytes));
    this.#written += bytes.length;
    if (this.#written < size) return;
    this.#guard(() => this.#put(new Uint8Array(padded(size) - size)));
    this.#next++;
    this.#written = 0;
  }

  /**
   * Gives the complete file its name.
   * @throws MoeError `DISK_FULL` | `UNWRITABLE`
   */
  finish(): void {
    if (this.#next !== this.#tensors.length) {
      throw new RangeError(`${this.#tensors.length - this.#next} tensors have not been written`);
    }
    this.#guard(() => {
      fsyncSync(this.#fd);
      closeSync(this.#fd);
      this.#fd = -1;
      renameSync(this.#temporaryPath, this.path);
      this.#isOver = true;
    });
  }

  /** Removes the unfinished file; harmless after `finish` and when called twice. */
  discard(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    rmSync(this.#temporaryPath, { force: true });
  }

  #put(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (cause) {
      this.discard();
      throw unwritable(this.path, this.sizeBytes, cause);
    }
  }
}

/** Where a file lies until it is complete; no two processes share it. */
export function temporaryPath(path: string): string {
  return `${path}.${process.pid}.partial`;
}

function unwritable(path: string, neededBytes: number, cause: unknown): MoeError {
  const code = (cause as NodeJS.ErrnoException).code ?? "";
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (["ENOSPC", "EDQUOT", "EFBIG"].includes(code)) return diskFull(path, neededBytes, cause);
  return new MoeError(
    `${path} cannot be written: ${reason}. Give a folder this process may write to.`,
    { code: "UNWRITABLE", path, reason },
    { cause },
  );
}

/** The error for a disk that cannot hold a file of `neededBytes`. */
export function diskFull(path: string, neededBytes: number, cause?: unknown): MoeError {
  const mebibytes = Math.ceil(neededBytes / 1_048_576);
  return new MoeError(
    `${path} cannot be written: the disk is full; the file needs ${mebibytes} MiB. ` +
      "Free that much or choose a folder on another disk. Nothing was left behind.",
    { code: "DISK_FULL", path, neededBytes },
    { cause },
  );
}

function encodeHeader(
  metadata: ReadonlyMap<string, string | number>,
  tensors: readonly StreamedTensor[],
): Buffer {
  const pieces = [u32(MAGIC), u32(VERSION), u64(tensors.length), u64(metadata.size)];
  for (const [key, value] of metadata) {
    pieces.push(text(key));
    if (typeof value === "string") pieces.push(u32(TYPE_STRING), text(value));
    else pieces.push(u32(TYPE_UINT32), u32(value));
  }
  let offset = 0;
  for (const { name, type, shape, sizeBytes } of tensors) {
    pieces.push(text(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset));
    offset += padded(sizeBytes);
  }
  const header = Buffer.concat(pieces);
  return Buffer.concat([header, Buffer.alloc(padded(header.length) - header.length)]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([u64(bytes.length), bytes]);
}

function padded(count: number): number {
  return Math.ceil(count / ALIGNMENT) * ALIGNMENT;
}
