import { closeSync, fchmodSync, ftruncateSync, openSync, writeSync } from "node:fs";

const BLOCK_BYTES = 4096;

/** Writes a file without its blocks of zeros, which then take no room on the disk. */
export function writeSparse(path: string, bytes: Buffer): void {
  const zeros = Buffer.alloc(BLOCK_BYTES);
  const isZero = (at: number) => {
    const block = bytes.subarray(at, at + BLOCK_BYTES);
    return block.equals(zeros.subarray(0, block.length));
  };
  const file = openSync(path, "w");
  try {
    ftruncateSync(file, bytes.length);
    for (let at = 0; at < bytes.length; ) {
      const start = at;
      while (at < bytes.length && !isZero(at)) at += BLOCK_BYTES;
      writeAll(file, bytes.subarray(start, at), start);
      while (at < bytes.length && isZero(at)) at += BLOCK_BYTES;
    }
    fchmodSync(file, 0o644);
  } finally {
    closeSync(file);
  }
}

function writeAll(file: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(file, bytes, done, bytes.length - done, position + done);
  }
}
