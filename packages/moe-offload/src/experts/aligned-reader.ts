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
  #buffer: Uint8Array;

  /**
   * @param rangeBytesMax longest range that will be read
   * @param preferred `buffered` never tries to bypass the page cache
   */
  constructor(path: string, rangeBytesMax: number, preferred: ReadMode = "direct") {
    this.#buffer = alignedBuffer(rangeBytesMax + 2 * ALIGNMENT);
    const direct = preferred === "direct" ? openDirect(path, this.#buffer) : undefined;
    this.mode = direct === undefined ? "buffered" : "direct";
    this.#fd = direct ?? openSync(path, constants.O_RDONLY);
    this.sizeBytes = fstatSync(this.#fd).size;
  }

  /**
   * The bytes of a range; valid until the next read. Fewer than asked for when the file ends.
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

  /** Frees the file handle; harmless when called twice. */
  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }
}

function alignedBuffer(bytes: number): Uint8Array {
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES);
  return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
}

/** A file opened past the page cache, or undefined when its file system cannot do that. */
function openDirect(path: string, buffer: Uint8Array): number | undefined {
  if (constants.O_DIRECT === undefined) return undefined;
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT);
    readSync(fd, buffer, 0, ALIGNMENT, 0);
    return fd;
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    const code = (error as NodeJS.ErrnoException).code;
    // EINVAL and EOPNOTSUPP are how file systems say no (tmpfs, some overlays and FUSE ones).
    if (code === "EINVAL" || code === "EOPNOTSUPP" || code === "ENOTSUP") return undefined;
    throw error;
  }
}
