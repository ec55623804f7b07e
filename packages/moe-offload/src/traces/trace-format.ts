/**
 * The binary form of a trace, all numbers little-endian:
 *
 *     magic "FMLTRACE" | u32 version | u32 header bytes | u32 CRC-32 of the header
 *     header: JSON (`TraceContents`), padded with spaces to a multiple of 4
 *     blocks: u32 tokens (at least 1) | u32 payload bytes | u32 CRC-32 of the payload | payload
 *     end:    u32 0 | u32 tokens of all blocks | u32 CRC-32 of the header
 *
 * A payload holds the arrays of `TraceBlock` one after the other, each padded to a multiple of 4
 * bytes. Blocks let a recorder write while the model runs; the end tells a whole file from one
 * whose writer died. A file may be gzip members, one for each of these parts.
 */
import { crc32, gunzipSync } from "node:zlib";
import type { RoutingShape } from "../offload/routing.ts";
import {
  AHEAD_DEPTH_MAX,
  badTrace,
  checkShape,
  checkTrace,
  TRACE_ORIGINS,
  type Trace,
} from "./trace.ts";
import type { TraceBlock, TraceContents } from "./trace-block.ts";
import { blockSizes, emptyBlock, joinBlocks } from "./trace-block.ts";

/** Version of the format this code writes, and the only one that it reads. */
export const TRACE_VERSION = 1;
const MAGIC = "FMLTRACE";
const PREFIX_BYTES = MAGIC.length + 12;
const BLOCK_HEAD_BYTES = 12;
const RECORD_AGAIN = "Record or generate it again.";
/** What gzip may unpack to; a larger trace is written without gzip. */
const UNPACKED_BYTES_MAX = 2 ** 31;
const IS_LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** Magic, version and header. */
export function encodeHeader(contents: TraceContents): Buffer {
  const json = JSON.stringify(contents);
  const bytes = Buffer.byteLength(json);
  const header = Buffer.from(json + " ".repeat((4 - (bytes % 4)) % 4));
  return Buffer.concat([
    Buffer.from(MAGIC, "latin1"),
    words(TRACE_VERSION, header.length, crc32(header)),
    header,
  ]);
}

/** One block with its head. */
export function encodeBlock(block: TraceBlock): Buffer {
  const { positions, experts, probabilities, ahead, computeMs } = block;
  const parts = [positions, experts, probabilities, ahead, computeMs].map(littleEndian);
  const payload = Buffer.concat(parts);
  const head = words(block.tokenCount, payload.length, crc32(payload));
  return Buffer.concat([head, payload]);
}

/** What follows the last block. */
export function encodeEnd(contents: TraceContents, tokenCount: number): Buffer {
  const header = encodeHeader(contents).subarray(PREFIX_BYTES);
  return words(0, tokenCount, crc32(header));
}

/**
 * Reads a trace and checks every byte of it: checksums, sizes, counts, ids, probabilities. Memory
 * is taken only for what the bytes really hold, whatever their header claims.
 *
 * @param path  name of the trace for messages
 * @throws MoeError `BAD_TRACE`
 */
export function decodeTrace(bytes: Uint8Array, path: string): Trace {
  const plain = unpack(bytes, path);
  const header = readHeader(plain, path);
  const blocks: TraceBlock[] = [];
  let at = PREFIX_BYTES + header.length;
  for (;;) {
    const tokenCount = readWord(plain, at, path);
    const second = readWord(plain, at + 4, path);
    const checksum = readWord(plain, at + 8, path);
    at += BLOCK_HEAD_BYTES;
    if (tokenCount === 0) {
      const total = blocks.reduce((sum, block) => sum + block.tokenCount, 0);
      const isEnd = second === total && checksum === crc32(header.bytes) && at === plain.length;
      if (!isEnd) throw badTrace(path, `its end at byte ${at} does not fit`, RECORD_AGAIN);
      break;
    }
    const payload = plain.subarray(at, at + second);
    const sizes = blockSizes(header.contents, tokenCount);
    if (payload.length !== second || second !== payloadBytes(sizes)) {
      const problem = `the block of ${tokenCount} tokens at byte ${at} has ${payload.length} bytes`;
      throw badTrace(path, `${problem}, expected ${payloadBytes(sizes)}`, RECORD_AGAIN);
    }
    if (crc32(payload) !== checksum) {
      throw badTrace(path, `the checksum of the block at byte ${at} is wrong`, RECORD_AGAIN);
    }
    blocks.push(decodeBlock(header.contents, tokenCount, payload));
    at += second;
  }
  const trace = joinBlocks(header.contents, blocks);
  checkTrace(trace, path);
  return trace;
}

function unpack(bytes: Uint8Array, path: string): Buffer {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer[0] !== 0x1f || buffer[1] !== 0x8b) return buffer;
  try {
    return gunzipSync(buffer, { maxOutputLength: UNPACKED_BYTES_MAX });
  } catch (cause) {
    throw badTrace(path, `gzip cannot unpack it (${(cause as Error).message})`, RECORD_AGAIN);
  }
}

function readHeader(plain: Buffer, path: string) {
  if (plain.toString("latin1", 0, MAGIC.length) !== MAGIC) {
    throw badTrace(path, "it does not begin as a trace does", "Name a file made by a recorder.");
  }
  const version = readWord(plain, MAGIC.length, path);
  if (version !== TRACE_VERSION) {
    const expected = `expected ${TRACE_VERSION}`;
    throw badTrace(
      path,
      `its version is ${version}, ${expected}`,
      "Use the version that wrote it.",
    );
  }
  const length = readWord(plain, MAGIC.length + 4, path);
  const bytes = plain.subarray(PREFIX_BYTES, PREFIX_BYTES + length);
  const checksum = readWord(plain, MAGIC.length + 8, path);
  if (bytes.length !== length || length % 4 !== 0 || crc32(bytes) !== checksum) {
    throw badTrace(path, "its header is cut off or its checksum is wrong", RECORD_AGAIN);
  }
  return { length, bytes, contents: parseContents(bytes.toString("utf8"), path) };
}

function parseContents(text: string, path: string): TraceContents {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw badTrace(path, `its header is not JSON (${(cause as Error).message})`, RECORD_AGAIN);
  }
  const contents = (json ?? {}) as TraceContents;
  const { aheadDepth, hasProbabilities, hasComputeMs, provenance } = contents;
  checkShape((contents.shape ?? {}) as RoutingShape, path);
  const isDepth = Number.isInteger(aheadDepth) && aheadDepth >= 0 && aheadDepth <= AHEAD_DEPTH_MAX;
  const isFlagged = typeof hasProbabilities === "boolean" && typeof hasComputeMs === "boolean";
  if (!isDepth || !isFlagged) {
    throw badTrace(path, "its header does not say what it holds", RECORD_AGAIN);
  }
  const isTold =
    [provenance?.model, provenance?.text, provenance?.date].every((s) => typeof s === "string") &&
    typeof provenance.isSimulated === "boolean" &&
    TRACE_ORIGINS.includes(provenance.origin);
  if (!isTold) throw badTrace(path, "its header does not say where it comes from", RECORD_AGAIN);
  return contents;
}

function decodeBlock(contents: TraceContents, tokenCount: number, payload: Buffer): TraceBlock {
  const block = emptyBlock(contents, tokenCount);
  block.tokenCount = tokenCount;
  const { positions, experts, probabilities, ahead, computeMs } = block;
  let at = 0;
  for (const array of [positions, experts, probabilities, ahead, computeMs]) {
    const into = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
    payload.copy(into, 0, at, at + into.length);
    swapToLittleEndian(into, array.BYTES_PER_ELEMENT);
    at += padded(into.length);
  }
  return block;
}

function payloadBytes(sizes: ReturnType<typeof blockSizes>): number {
  const { positions, experts, probabilities, ahead, computeMs } = sizes;
  return padded(experts * 2) + (positions + probabilities + ahead + computeMs) * 4;
}

function littleEndian(array: Uint16Array | Uint32Array | Float32Array): Buffer {
  const bytes = Buffer.alloc(padded(array.byteLength));
  bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  swapToLittleEndian(bytes, array.BYTES_PER_ELEMENT);
  return bytes;
}

function swapToLittleEndian(bytes: Buffer, width: number): void {
  if (IS_LITTLE_ENDIAN) return;
  if (width === 2) bytes.swap16();
  else bytes.swap32();
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => {
    bytes.writeUInt32LE(value, i * 4);
  });
  return bytes;
}

function readWord(bytes: Buffer, at: number, path: string): number {
  if (at + 4 > bytes.length) throw badTrace(path, `it ends at byte ${bytes.length}`, RECORD_AGAIN);
  return bytes.readUInt32LE(at);
}
