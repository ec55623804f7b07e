import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import type { GgufFile } from "@fmlab/ggml";
import { MoeError } from "../errors.ts";
import { diskFull, temporaryPath } from "../precision/gguf-stream.ts";

/** Bytes that are made up and written at once. */
const PIECE_BYTES = 8 << 20;

/**
 * Writes a shape as a GGUF file, for the disk tier and for other engines: what `openGguf` reads
 * back is the same, label included. The file appears under its name only when it is complete.
 *
 * @param onProgress  told of the bytes written so far; what it throws ends the writing
 * @throws MoeError `DISK_FULL` | `UNWRITABLE`; nothing is left behind
 */
export function writeShape(
  file: Pick<GgufFile, "read" | "sizeBytes">,
  path: string,
  onProgress?: (writtenBytes: number) => void,
): void {
  const partial = temporaryPath(path);
  let fd = -1;
  try {
    guarded(path, file.sizeBytes, () => {
      fd = openSync(partial, "w");
    });
    const piece = new Uint8Array(Math.min(PIECE_BYTES, file.sizeBytes));
    for (let at = 0; at < file.sizeBytes; at += piece.length) {
      const bytes = piece.subarray(0, Math.min(piece.length, file.sizeBytes - at));
      file.read(at, bytes);
      guarded(path, file.sizeBytes, () => {
        for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      });
      onProgress?.(at + bytes.length);
    }
    guarded(path, file.sizeBytes, () => {
      fsyncSync(fd);
      renameSync(partial, path);
    });
  } finally {
    if (fd >= 0) closeSync(fd);
    rmSync(partial, { force: true });
  }
}

function guarded(path: string, sizeBytes: number, act: () => void): void {
  try {
    act();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    if (["ENOSPC", "EDQUOT", "EFBIG"].includes(code)) throw diskFull(path, sizeBytes, cause);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MoeError(
      `${path} cannot be written: ${reason}. Give a folder this process may write to.`,
      { code: "UNWRITABLE", path, reason },
      { cause },
    );
  }
}
