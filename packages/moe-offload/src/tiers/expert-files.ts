import { AlignedReader, type ReadMode, readBuffer } from "./aligned-reader.ts";
import { type ExpertTable, PART_COUNT } from "./expert-table.ts";
import { ParallelReads } from "./parallel-reads.ts";

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

/**
 * The model's files as one thread reads them: a handle each, a buffer for each part of an expert.
 * Past the page cache, the parts of an expert are read at the same time: a disk gives far more to
 * several reads at once than to one after the other.
 */
export class ExpertFiles {
  readonly #table: ExpertTable;
  readonly #readers: AlignedReader[] = [];
  readonly #buffers: readonly Uint8Array[];
  readonly #parallel: ParallelReads | undefined;
  /** By part: the expert whose bytes come into its buffer, -1 for none. */
  readonly #begun = new Int32Array(PART_COUNT).fill(-1);
  #parallelBytes = 0;

  /** @throws ReadError when a file cannot be opened */
  constructor(table: ExpertTable, preferred: ReadMode) {
    this.#table = table;
    this.#buffers = Array.from({ length: PART_COUNT }, () => readBuffer(table.partBytesMax));
    const buffer = this.#buffers[0] ?? readBuffer(table.partBytesMax);
    for (const path of table.paths) {
      try {
        this.#readers.push(new AlignedReader(path, buffer, preferred));
      } catch (cause) {
        this.close();
        throw new ReadError({ path, layer: 0, expert: 0, offset: 0, ...reasonOf(cause) }, cause);
      }
    }
    this.#parallel = this.mode === "direct" ? ParallelReads.open(this.#buffers) : undefined;
  }

  /** `buffered` when at least one file is read through the page cache. */
  get mode(): ReadMode {
    return this.#readers.every((reader) => reader.mode === "direct") ? "direct" : "buffered";
  }

  /** Bytes asked of the file system so far, with what alignment adds. */
  get fetchedBytes(): number {
    let sum = this.#parallelBytes;
    for (const reader of this.#readers) sum += reader.fetchedBytes;
    return sum;
  }

  /**
   * One part of an expert; valid until the next read. The first one begins the others.
   * @throws ReadError
   */
  read(key: number, part: number): Uint8Array {
    if (part === 0) this.#begin(key);
    const begun = this.#finish(key, part);
    if (begun) return begun;
    // Also after a read that failed: whatever is wrong is told here.
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
    this.#parallel?.close();
    for (const reader of this.#readers) reader.close();
  }

  #begin(key: number): void {
    this.#parallel?.settle();
    const { files, offsets, sizesBytes } = this.#table;
    for (let part = 0; part < PART_COUNT; part++) {
      const at = key * PART_COUNT + part;
      const reader = this.#readers[files[at] ?? 0];
      const stretch = reader?.stretch(offsets[at] ?? 0, sizesBytes[at] ?? 0);
      const isBegun =
        stretch !== undefined &&
        this.#parallel?.begin(part, stretch.fd, stretch.start, stretch.length) === true;
      this.#begun[part] = isBegun ? key : -1;
    }
  }

  /** The bytes of a part that was begun; undefined when it was not, or did not come whole. */
  #finish(key: number, part: number): Uint8Array | undefined {
    if (this.#parallel === undefined || this.#begun[part] !== key) return undefined;
    this.#begun[part] = -1;
    const { files, offsets, sizesBytes } = this.#table;
    const at = key * PART_COUNT + part;
    const sizeBytes = sizesBytes[at] ?? 0;
    const lead = this.#readers[files[at] ?? 0]?.stretch(offsets[at] ?? 0, sizeBytes).lead ?? 0;
    const got = this.#parallel.wait(part);
    if (got < lead + sizeBytes) return undefined;
    this.#parallelBytes += got;
    return this.#buffers[part]?.subarray(lead, lead + sizeBytes);
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
