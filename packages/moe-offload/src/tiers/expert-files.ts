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
 * The model's files as one thread reads them: a handle each, and places to read experts into, with
 * a buffer for each part. Past the page cache, the parts of an expert, and several experts, are
 * read at the same time: a disk gives far more to several reads at once than to one after another.
 */
export class ExpertFiles {
  readonly #table: ExpertTable;
  readonly #readers: AlignedReader[] = [];
  readonly #buffers: readonly Uint8Array[];
  readonly #parallel: ParallelReads | undefined;
  /** By buffer: the expert whose bytes come into it, -1 for none. */
  readonly #begun: Int32Array;
  #parallelBytes = 0;

  /**
   * @param places  experts that can be on their way at once
   * @throws ReadError when a file cannot be opened
   */
  constructor(table: ExpertTable, preferred: ReadMode, places = 1) {
    this.#table = table;
    const count = places * PART_COUNT;
    this.#buffers = Array.from({ length: count }, () => readBuffer(table.partBytesMax));
    this.#begun = new Int32Array(count).fill(-1);
    // For what cannot be under way, or has failed; its own, since others may be under way then.
    const buffer = readBuffer(table.partBytesMax);
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

  /** Begins to read an expert into a place, where reads can be under way; else does nothing. */
  begin(key: number, place: number): void {
    const { files, offsets, sizesBytes } = this.#table;
    for (let part = 0; part < PART_COUNT; part++) {
      const at = key * PART_COUNT + part;
      const buffer = place * PART_COUNT + part;
      this.#parallel?.wait(buffer);
      const reader = this.#readers[files[at] ?? 0];
      const stretch = reader?.stretch(offsets[at] ?? 0, sizesBytes[at] ?? 0);
      const isBegun =
        stretch !== undefined &&
        this.#parallel?.begin(buffer, stretch.fd, stretch.start, stretch.length) === true;
      this.#begun[buffer] = isBegun ? key : -1;
    }
  }

  /** False while a part of what was begun into a place is on its way. */
  hasArrived(place: number, part: number): boolean {
    return this.#parallel?.isUnderWay(place * PART_COUNT + part) !== true;
  }

  /** Sleeps until something arrives, or for that time; only while something is on its way. */
  waitForAny(timeoutMs: number): void {
    this.#parallel?.reap(timeoutMs);
  }

  /**
   * One part of an expert; valid until the next read into the place. Where the place is not told,
   * the first one begins the others.
   * @throws ReadError
   */
  read(key: number, part: number, place?: number): Uint8Array {
    if (place === undefined && part === 0) this.begin(key, 0);
    const begun = this.#finish(key, part, place ?? 0);
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

  /** The bytes of a part that was begun; undefined when it was not, or did not come whole. */
  #finish(key: number, part: number, place: number): Uint8Array | undefined {
    const buffer = place * PART_COUNT + part;
    if (this.#parallel === undefined || this.#begun[buffer] !== key) return undefined;
    this.#begun[buffer] = -1;
    const { files, offsets, sizesBytes } = this.#table;
    const at = key * PART_COUNT + part;
    const sizeBytes = sizesBytes[at] ?? 0;
    const lead = this.#readers[files[at] ?? 0]?.stretch(offsets[at] ?? 0, sizeBytes).lead ?? 0;
    const got = this.#parallel.wait(buffer);
    if (got < lead + sizeBytes) return undefined;
    this.#parallelBytes += got;
    return this.#buffers[buffer]?.subarray(lead, lead + sizeBytes);
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
