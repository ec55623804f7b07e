import { AlignedReader, type ReadMode, readBuffer } from "./aligned-reader.ts";
import { type ExpertTable, PART_COUNT } from "./expert-table.ts";

/** Where a read failed and why, as plain data that can cross to another thread. */
export interface ReadFailure {
  path: string;
  layer: number;
  expert: number;
  /** Where the part begins in the file. */
  offset: number;
  reason: string;
}

/** Thrown where reading fails. */
export class ReadError extends Error {
  readonly failure: ReadFailure;

  constructor(failure: ReadFailure, cause?: unknown) {
    super(`${failure.path}: ${failure.reason}`, { cause });
    this.failure = failure;
  }
}

/** The model's files as one thread reads them: a handle each, one buffer for all. */
export class ExpertFiles {
  readonly #table: ExpertTable;
  readonly #readers: AlignedReader[] = [];

  /** @throws ReadError when a file cannot be opened */
  constructor(table: ExpertTable, preferred: ReadMode) {
    this.#table = table;
    const buffer = readBuffer(table.partBytesMax);
    for (const path of table.paths) {
      try {
        this.#readers.push(new AlignedReader(path, buffer, preferred));
      } catch (cause) {
        this.close();
        throw new ReadError({ path, layer: 0, expert: 0, offset: 0, ...reasonOf(cause) }, cause);
      }
    }
  }

  /** `buffered` when at least one file is read through the page cache. */
  get mode(): ReadMode {
    return this.#readers.every((reader) => reader.mode === "direct") ? "direct" : "buffered";
  }

  /** Bytes asked of the file system so far, with what alignment adds. */
  get fetchedBytes(): number {
    let sum = 0;
    for (const reader of this.#readers) sum += reader.fetchedBytes;
    return sum;
  }

  /** One part of an expert; valid until the next read. @throws ReadError */
  read(key: number, part: number): Uint8Array {
    const { files, offsets, sizesBytes } = this.#table;
    const at = key * PART_COUNT + part;
    const offset = offsets[at] ?? 0;
    const sizeBytes = sizesBytes[at] ?? 0;
    const file = files[at] ?? 0;
    let bytes: Uint8Array | undefined;
    try {
      bytes = this.#readers[file]?.read(offset, sizeBytes);
    } catch (cause) {
      throw new ReadError({ ...this.#place(key, file, offset), ...reasonOf(cause) }, cause);
    }
    if (bytes?.length === sizeBytes) return bytes;
    const reason = `only ${bytes?.length ?? 0} of ${sizeBytes} bytes came; the file is cut short`;
    throw new ReadError({ ...this.#place(key, file, offset), reason });
  }

  /** Frees the handles; harmless when called twice. */
  close(): void {
    for (const reader of this.#readers) reader.close();
  }

  #place(key: number, file: number, offset: number) {
    const { expertCount, paths } = this.#table;
    const layer = Math.floor(key / expertCount);
    return { path: paths[file] ?? "", layer, expert: key % expertCount, offset };
  }
}

function reasonOf(cause: unknown): { reason: string } {
  return { reason: cause instanceof Error ? cause.message : String(cause) };
}
