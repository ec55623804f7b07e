import { closeSync, openSync } from "node:fs";
import { createRequire } from "node:module";

type Koffi = typeof import("koffi");

const POSIX_FADV_DONTNEED = 4;
const PROT_READ = 1;
const MAP_SHARED = 1;
const PAGE_BYTES = 4096;

/** The functions of the C library that Node does not offer. */
function bind() {
  const koffi = createRequire(import.meta.url)("koffi") as Koffi;
  const library = koffi.load("libc.so.6");
  return {
    advise: library.func("posix_fadvise", "int", ["int", "int64", "int64", "int"]),
    map: library.func("mmap", "void*", ["void*", "size_t", "int", "int", "int", "int64"]),
    unmap: library.func("munmap", "int", ["void*", "size_t"]),
    resident: library.func("mincore", "int", ["void*", "size_t", "void*"]),
  };
}

/**
 * Drops the pages of a file or block device from the page cache.
 * @returns the share of its pages that are still there afterwards
 */
export function dropFromPageCache(path: string, sizeBytes: number): number {
  const { advise, map, resident, unmap } = bind();
  const fd = openSync(path, "r");
  try {
    advise(fd, 0, 0, POSIX_FADV_DONTNEED);
    const address = map(null, sizeBytes, PROT_READ, MAP_SHARED, fd, 0) as bigint;
    const pages = new Uint8Array(Math.ceil(sizeBytes / PAGE_BYTES));
    const failed = (resident(address, sizeBytes, pages) as number) !== 0;
    unmap(address, sizeBytes);
    if (failed) throw new Error(`mincore does not tell which pages of ${path} are cached`);
    return pages.reduce((sum, page) => sum + (page & 1), 0) / pages.length;
  } finally {
    closeSync(fd);
  }
}
