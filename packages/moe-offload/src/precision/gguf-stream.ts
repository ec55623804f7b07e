import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { encodeGgufHeader, type GgufTensorPlan, type GgufValue, ggufPadded } from "@fmlab/ggml";
import { MoeError } from "../errors.ts";

/** A tensor that will be written: its bytes come later. */
export type StreamedTensor = GgufTensorPlan;

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
    const header = encodeGgufHeader(typed(metadata), tensors);
    this.sizeBytes = tensors.reduce((sum, one) => sum + ggufPadded(one.sizeBytes), header.length);
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
    this.#guard(() => this.#put(new Uint8Array(ggufPadded(size) - size)));
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

/** Whole numbers are unsigned ones of 32 bits in the file. */
function typed(metadata: ReadonlyMap<string, string | number>): [string, GgufValue][] {
  return Array.from(metadata, ([key, value]) => [
    key,
    typeof value === "string" ? { type: "string", value } : { type: "uint32", value },
  ]);
}
