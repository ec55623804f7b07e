import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/**
 * Offsets, lengths and memory of direct reads are multiples of this: the page size, which satisfies
 * every block device in use (512 or 4096 bytes). @see open(2), O_DIRECT
 */
const ALIGNMENT = 4096;
/** WebAssembly memory comes in pages of this size and starts on a page of the machine. */
const WASM_PAGE_BYTES = 65_536;

/** `direct`: past the page cache (O_DIRECT). `buffered`: through it. */
export type ReadMode = "direct" | "buffered";

/** Memory that direct reads can go to, for ranges of up to `rangeBytesMax` bytes. */
export function readBuffer(rangeBytesMax: number): Uint8Array {
  const pages = Math.ceil((rangeBytesMax + 2 * ALIGNMENT) / WASM_PAGE_BYTES);
  return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
}

/**
 * Reads byte ranges of a file, past the page cache where the file system can. Whether it can is
 * found out by a trial read, since some accept the flag and refuse the read.
 */
export class AlignedReader {
  readonly mode: ReadMode;
  readonly sizeBytes: number;
  /** Bytes asked of the file system so far, with what alignment adds. */
  fetchedBytes = 0;
  #fd: number;
  readonly #buffer: Uint8Array;

  /**
   * @param buffer from `readBuffer`, for the longest range; readers of one thread may share it
   * @param preferred `buffered` never tries to bypass the page cache
   * @throws Error of the operating system; EISDIR for a folder
   */
  constructor(path: string, buffer: Uint8Array, preferred: ReadMode = "direct") {
    this.#buffer = buffer;
    const direct = preferred === "direct" ? openDirect(path, this.#buffer) : undefined;
    this.mode = direct === undefined ? "buffered" : "direct";
    this.#fd = direct ?? openBuffered(path, this.#buffer);
    this.sizeBytes = fstatSync(this.#fd).size;
  }

  /**
   * The bytes of a range, in the buffer until the next read into it. Fewer than asked for when the
   * file ends.
   *
   * @throws Error of the operating system
   */
  read(offset: number, sizeBytes: number): Uint8Array {
    const start = this.mode === "direct" ? offset - (offset % ALIGNMENT) : offset;
    const lead = offset - start;
    const wanted = lead + sizeBytes;
    const length = this.mode === "direct" ? Math.ceil(wanted / ALIGNMENT) * ALIGNMENT : wanted;
    let done = 0;
    while (done < wanted) {
      const got = readSync(this.#fd, this.#buffer, done, length - done, start + done);
      if (got === 0) break;
      done += got;
      this.fetchedBytes += got;
      // After a short direct read the next one would start unaligned: it was the end of the file.
      if (this.mode === "direct" && done % ALIGNMENT !== 0) break;
    }
    return this.#buffer.subarray(lead, Math.max(lead, Math.min(done, wanted)));
  }

  /**
   * The aligned stretch of the file that holds a range, for direct reads that others carry out: its
   * start and length, and where in it the range begins.
   */
  stretch(offset: number, sizeBytes: number) {
    const lead = offset % ALIGNMENT;
    const length = Math.ceil((lead + sizeBytes) / ALIGNMENT) * ALIGNMENT;
    return { fd: this.#fd, start: offset - lead, lead, length };
  }

  /** Frees the file handle; harmless when called twice. */
  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }
}

/** A file opened past the page cache, or undefined when its file system cannot do that. */
function openDirect(path: string, buffer: Uint8Array): number | undefined {
  if (constants.O_DIRECT === undefined) return undefined;
  try {
    return openTried(path, constants.O_RDONLY | constants.O_DIRECT, buffer);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // EINVAL and EOPNOTSUPP are how file systems say no (tmpfs, some overlays and FUSE ones).
    if (code === "EINVAL" || code === "EOPNOTSUPP" || code === "ENOTSUP") return undefined;
    throw error;
  }
}

function openBuffered(path: string, buffer: Uint8Array): number {
  return openTried(path, constants.O_RDONLY, buffer);
}

// Opening alone succeeds for a folder, and for direct reads where they will fail.
function openTried(path: string, flags: number, buffer: Uint8Array): number {
  const fd = openSync(path, flags);
  try {
    readSync(fd, buffer, 0, ALIGNMENT, 0);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
