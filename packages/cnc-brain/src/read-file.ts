import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { badFile, CncError } from "./errors.ts";

/** What a compressed file may grow to; a guard against files made to fill memory. */
const UNPACKED_BYTES_MAX = 1 << 30;

/**
 * A file's bytes, unpacked when it is gzip (told by its first two bytes, not by its name).
 *
 * @throws CncError `UNREADABLE_FILE`, `BAD_FILE` for broken compression
 */
export function readBytes(path: string): Uint8Array {
  let raw: Uint8Array;
  try {
    raw = readFileSync(path);
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new CncError(
      `${path} cannot be read: ${reason}`,
      { code: "UNREADABLE_FILE", path, reason },
      { cause },
    );
  }
  if (raw[0] !== 0x1f || raw[1] !== 0x8b) return raw;
  try {
    return gunzipSync(raw, { maxOutputLength: UNPACKED_BYTES_MAX });
  } catch (cause) {
    throw badFile(path, undefined, `its gzip data is broken: ${(cause as Error).message}`);
  }
}

/** The same as text (UTF-8, without a byte-order mark). */
export function readText(path: string): string {
  return new TextDecoder().decode(readBytes(path));
}
