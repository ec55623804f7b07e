import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { crc32 } from "node:zlib";
import { ShardChainError } from "../errors.ts";

// An append-only file of records. A record is
//
//     magic (4) | length (u32) | sequence (u32) | checksum of these 12 bytes (u32)
//     payload (length) | checksum of magic to payload (u32)
//
// and is on disk when `append` returns (fsync). A crash can only tear the last record, which
// recovery drops. Damage before the last record is no crash, and is told instead of dropped.

const MAGIC = Buffer.from("FMBL", "latin1");
const HEADER_BYTES = 16;
const TRAILER_BYTES = 4;

/** What recovery found. */
export interface Recovery {
  /** Payloads of the whole records, in order. */
  readonly records: readonly Uint8Array[];
  /** Bytes of a torn record at the end that were cut off; 0 after a clean end. */
  readonly droppedBytes: number;
}

/** A log of blocks that survives the death of its process and of its machine at any moment. */
export class BlockLog {
  readonly #path: string;
  readonly #file: number;
  /** Where each record begins, and where the next one will. */
  readonly #offsets: number[];
  #isOpen = true;

  private constructor(filePath: string, file: number, offsets: readonly number[]) {
    this.#path = filePath;
    this.#file = file;
    this.#offsets = [...offsets];
  }

  /**
   * Opens a log, or makes an empty one, and recovers what it holds.
   *
   * @throws ShardChainError `UNREADABLE`; `CORRUPT_LOG` when a record before the last is damaged
   */
  static open(filePath: string): { log: BlockLog; recovery: Recovery } {
    const file = openFile(filePath);
    try {
      const bytes = readAll(file);
      const { records, offsets } = scanRecords(filePath, bytes);
      const endBytes = offsets.at(-1) as number;
      const droppedBytes = bytes.length - endBytes;
      if (droppedBytes > 0) ftruncateSync(file, endBytes);
      fsyncSync(file);
      syncFolder(filePath);
      const log = new BlockLog(filePath, file, offsets);
      return { log, recovery: { records, droppedBytes } };
    } catch (error) {
      closeSync(file);
      throw error;
    }
  }

  /** How many records the log holds. */
  get count(): number {
    return this.#offsets.length - 1;
  }

  /** The payload of a record by its place, from 0; undefined when there is none. */
  read(place: number): Uint8Array | undefined {
    const [from, to] = [this.#offsets[place], this.#offsets[place + 1]];
    if (!this.#isOpen || from === undefined || to === undefined) return undefined;
    const payload = Buffer.allocUnsafe(to - from - HEADER_BYTES - TRAILER_BYTES);
    readSync(this.#file, payload, 0, payload.length, from + HEADER_BYTES);
    return payload;
  }

  get #lengthBytes(): number {
    return this.#offsets.at(-1) as number;
  }

  /**
   * Adds a record; it is on disk when this returns.
   *
   * @throws ShardChainError `LOG_NOT_WRITTEN`; the log is closed then, since after a failed write
   *         nobody knows what the disk holds: opening it again tells
   */
  append(payload: Uint8Array): void {
    const record = encodeRecord(payload, this.count);
    try {
      if (!this.#isOpen) throw new Error("the log is closed");
      for (let written = 0; written < record.length; ) {
        const at = this.#lengthBytes + written;
        written += writeSync(this.#file, record, written, record.length - written, at);
      }
      fsyncSync(this.#file);
    } catch (error) {
      this.close();
      throw this.#notWritten(error);
    }
    this.#offsets.push(this.#lengthBytes + record.length);
  }

  /** Closes the file; nothing can be appended afterwards. */
  close(): void {
    if (this.#isOpen) closeSync(this.#file);
    this.#isOpen = false;
  }

  #notWritten(error: unknown): ShardChainError {
    const reason = error instanceof Error ? error.message : String(error);
    return new ShardChainError(
      `a block could not be stored in ${this.#path} (${reason}); free space or repair the disk, ` +
        "then start the node again: it goes on from its last stored block",
      { code: "LOG_NOT_WRITTEN", path: this.#path, offset: this.#lengthBytes, reason },
      { cause: error },
    );
  }
}

function encodeRecord(payload: Uint8Array, sequence: number): Buffer {
  const record = Buffer.allocUnsafe(HEADER_BYTES + payload.length + TRAILER_BYTES);
  MAGIC.copy(record, 0);
  record.writeUInt32LE(payload.length, 4);
  record.writeUInt32LE(sequence, 8);
  record.writeUInt32LE(crc32(record.subarray(0, 12)), 12);
  record.set(payload, HEADER_BYTES);
  const end = HEADER_BYTES + payload.length;
  record.writeUInt32LE(crc32(record.subarray(0, end)), end);
  return record;
}

function scanRecords(
  filePath: string,
  bytes: Buffer,
): { records: Uint8Array[]; offsets: number[] } {
  const records: Uint8Array[] = [];
  const offsets = [0];
  let offset = 0;
  while (offset < bytes.length) {
    const payload = recordAt(bytes, offset, records.length);
    if (payload === undefined) {
      assertTornTail(filePath, bytes, offset, records.length);
      break;
    }
    records.push(payload);
    offset += HEADER_BYTES + payload.length + TRAILER_BYTES;
    offsets.push(offset);
  }
  return { records, offsets };
}

/** The payload of the whole record `sequence` at `offset`; undefined when none stands there. */
function recordAt(bytes: Buffer, offset: number, sequence: number): Uint8Array | undefined {
  if (offset + HEADER_BYTES + TRAILER_BYTES > bytes.length) return undefined;
  if (!bytes.subarray(offset, offset + 4).equals(MAGIC)) return undefined;
  if (bytes.readUInt32LE(offset + 8) !== sequence) return undefined;
  const header = bytes.subarray(offset, offset + 12);
  if (bytes.readUInt32LE(offset + 12) !== crc32(header)) return undefined;
  const end = offset + HEADER_BYTES + bytes.readUInt32LE(offset + 4);
  if (end + TRAILER_BYTES > bytes.length) return undefined;
  if (bytes.readUInt32LE(end) !== crc32(bytes.subarray(offset, end))) return undefined;
  return Uint8Array.from(bytes.subarray(offset + HEADER_BYTES, end));
}

/** Refuses a log in which a later record is whole: then this one was not torn by a crash. */
function assertTornTail(filePath: string, bytes: Buffer, offset: number, sequence: number): void {
  for (let at = bytes.indexOf(MAGIC, offset + 1); at >= 0; at = bytes.indexOf(MAGIC, at + 1)) {
    if (at + HEADER_BYTES > bytes.length) return;
    const later = bytes.readUInt32LE(at + 8);
    if (later <= sequence || recordAt(bytes, at, later) === undefined) continue;
    const problem = `block ${sequence} is damaged, but block ${later} after it is whole`;
    throw new ShardChainError(
      `${filePath} is damaged at byte ${offset}: ${problem}. A crash does not do this; take the ` +
        "file from a backup, or delete it and let the node catch up from its shard",
      { code: "CORRUPT_LOG", path: filePath, offset, problem },
    );
  }
}

function openFile(filePath: string): number {
  try {
    // 0600: created for the node's user only. Opened for reading and writing, never truncated.
    return openSync(filePath, constants.O_RDWR | constants.O_CREAT, 0o600);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ShardChainError(
      `the block log ${filePath} cannot be opened: ${reason}`,
      { code: "UNREADABLE", path: filePath, reason },
      { cause: error },
    );
  }
}

function readAll(file: number): Buffer {
  const bytes = Buffer.allocUnsafe(fstatSync(file).size);
  let filled = 0;
  while (filled < bytes.length) {
    const count = readSync(file, bytes, filled, bytes.length - filled, filled);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

/** Makes a new file's name as durable as its content. */
function syncFolder(filePath: string): void {
  const folder = openSync(path.dirname(filePath), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
