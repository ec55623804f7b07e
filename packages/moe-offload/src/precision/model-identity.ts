import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { GgufError, type GgufFile } from "@fmlab/ggml";

/** Places in each file that are looked at, beside its header, and bytes read at each. */
const SAMPLES = 64;
const SAMPLE_BYTES = 256;

/**
 * A short name of a model's content: the hash of the size and header of each of its files, and of
 * samples of its weights, so that two trainings of one architecture do not pass for each other.
 * The same wherever the files lie.
 *
 * @returns 16 hexadecimal digits
 * @throws GgufError `TRUNCATED` | `UNREADABLE`
 */
export function modelIdentity(file: GgufFile): string {
  const hash = createHash("sha256");
  file.partPaths.forEach((path, part) => {
    const sizeBytes = sizeOf(path);
    hash.update(`${part}:${sizeBytes};`);
    // Only the first file's header length is known; a sample at 0 covers the start of the others'.
    if (part === 0) hash.update(read(file, 0, Math.min(file.dataOffset, sizeBytes), part));
    for (let i = 0; i < SAMPLES; i++) {
      const offset = Math.floor((i * Math.max(0, sizeBytes - SAMPLE_BYTES)) / (SAMPLES - 1));
      hash.update(read(file, offset, Math.min(SAMPLE_BYTES, sizeBytes), part));
    }
  });
  return hash.digest("hex").slice(0, 16);
}

function read(file: GgufFile, offset: number, count: number, part: number): Uint8Array {
  const bytes = new Uint8Array(count);
  file.read(offset, bytes, part);
  return bytes;
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GgufError(
      `${path} cannot be read: ${reason}. Check the path and its permissions.`,
      { code: "UNREADABLE", path, reason },
      { cause },
    );
  }
}
