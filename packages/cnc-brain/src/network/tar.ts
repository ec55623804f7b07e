import { badFile } from "../errors.ts";

const BLOCK_BYTES = 512;

/** A file inside an archive. */
export interface TarEntry {
  name: string;
  bytes: Uint8Array;
}

/**
 * The regular files of a tar archive (ustar), in order.
 *
 * @throws CncError `BAD_FILE` for an archive that ends early or whose header sums do not fit
 */
export function* readTar(archive: Uint8Array, path: string): Generator<TarEntry> {
  for (let at = 0; at + BLOCK_BYTES <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK_BYTES);
    if (header.every((byte) => byte === 0)) return;
    checkSum(header, path, at);
    const sizeBytes = octal(header, 124, 12);
    const start = at + BLOCK_BYTES;
    if (start + sizeBytes > archive.length)
      throw badFile(path, undefined, "the archive ends early");
    const type = String.fromCharCode(header[156] ?? 0);
    const prefix = textAt(header, 345, 155);
    const name = (prefix === "" ? "" : `${prefix}/`) + textAt(header, 0, 100);
    if (type === "0" || type === "\0") {
      yield { name, bytes: archive.subarray(start, start + sizeBytes) };
    }
    at = start + Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
  }
}

function checkSum(header: Uint8Array, path: string, at: number): void {
  let sum = 0;
  header.forEach((byte, i) => {
    // The field of the sum itself counts as spaces.
    sum += i >= 148 && i < 156 ? 32 : byte;
  });
  if (sum === octal(header, 148, 8)) return;
  throw badFile(path, undefined, `no tar archive: a wrong header at byte ${at}`);
}

function octal(header: Uint8Array, at: number, length: number): number {
  return Number.parseInt(textAt(header, at, length).trim() || "0", 8);
}

function textAt(header: Uint8Array, at: number, length: number): string {
  const field = header.subarray(at, at + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}
