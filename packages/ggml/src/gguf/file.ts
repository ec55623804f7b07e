import { ByteSource } from "./byte-source.ts";
import { GgufError } from "./errors.ts";
import { readMetadata } from "./read-metadata.ts";
import { readTensors } from "./read-tensors.ts";
import {
  checkPart,
  joinTensors,
  missingPart,
  type SplitKeys,
  splitKeys,
  splitPaths,
} from "./split.ts";
import type { GgufTensor, GgufValue } from "./types.ts";

/** Bytes a metadata entry takes at least: key length, key of one byte, type, value of one byte. */
const METADATA_ENTRY_BYTES_MIN = 8 + 1 + 4 + 1;
/**
 * Bytes a directory entry takes at least: name length and byte, dimension count, one size, type,
 * offset.
 */
const TENSOR_ENTRY_BYTES_MIN = 8 + 1 + 4 + 8 + 4 + 8;
/** Chosen: the largest known files have some 2,000 tensors and some 60 keys. */
const TENSORS_MAX = 1 << 18;
const METADATA_ENTRIES_MAX = 1 << 16;
/** Bytes of the tensor data's alignment when the file does not say. @see GGUF specification */
const ALIGNMENT_DEFAULT = 32;
const ALIGNMENT_MAX = 1 << 20;

/**
 * An open GGUF file: its metadata and its tensor directory, validated; the data stay on disk. A
 * model that is split into several files is one object: its metadata are those of the first part,
 * its directory is that of all parts.
 */
export interface GgufFile {
  /** The file; of a split model the first part. */
  readonly path: string;
  /** Every file of the model, in order; a tensor's `part` is an index into it. */
  readonly partPaths: readonly string[];
  readonly version: number;
  /** Bytes; every tensor's place in the data part is a multiple of it. */
  readonly alignment: number;
  /** Of all parts. */
  readonly sizeBytes: number;
  /** First byte of the data part, from the start of the file (of the first part). */
  readonly dataOffset: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /**
   * Fills `target` from absolute byte `offset` of the file `part`, the first by default.
   *
   * @throws GgufError `TRUNCATED` when the file became shorter, `UNREADABLE` after `close`
   */
  read(offset: number, target: Uint8Array, part?: number): void;
  /** Frees the file handles; metadata and directory stay usable. */
  close(): void;
}

/**
 * Opens a GGUF file (versions 2 and 3, little-endian) and checks its whole header. Nothing is
 * allocated before the count it depends on was compared with the file's size. The path of any part
 * of a split file (`NAME-00001-of-0000N.gguf`) opens all parts, which lie in one folder.
 *
 * @throws GgufError for everything that is wrong with the file, and nothing else
 * @see https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
export function openGguf(path: string): GgufFile {
  const opened = openOne(path);
  let keys: SplitKeys | undefined;
  try {
    keys = splitKeys(opened);
  } catch (error) {
    opened.close();
    throw error;
  }
  return keys ? openSplit(opened, keys) : opened;
}

function openOne(path: string, part = 0): GgufFile {
  const source = new ByteSource(path);
  try {
    return parse(source, part);
  } catch (error) {
    source.close();
    throw error;
  }
}

/** Opens all parts of the file of which one is open. */
function openSplit(found: GgufFile, keys: SplitKeys): GgufFile {
  const parts: GgufFile[] = [];
  const close = () => {
    for (const part of parts) part.close();
  };
  found.close();
  try {
    const paths = splitPaths(found.path, keys);
    for (const [number, path] of paths.entries()) {
      const part = openPart(path, { ...keys, number });
      parts.push(part);
      checkPart(part, number, keys);
    }
    const tensors = joinTensors(parts, keys);
    const first = parts[0] ?? found;
    return {
      ...first,
      partPaths: paths,
      sizeBytes: parts.reduce((sum, part) => sum + part.sizeBytes, 0),
      tensors,
      read: (offset, target, part = 0) => {
        const file = parts[part];
        if (!file) throw new RangeError(`the model has ${parts.length} files, no file ${part}`);
        file.read(offset, target);
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

function openPart(path: string, keys: SplitKeys): GgufFile {
  try {
    return openOne(path, keys.number);
  } catch (error) {
    const isUnreadable = error instanceof GgufError && error.code === "UNREADABLE";
    throw isUnreadable ? missingPart(path, keys, error) : error;
  }
}

function parse(source: ByteSource, part: number): GgufFile {
  const version = readMagicAndVersion(source);
  const tensorCount = source.count("tensor count", TENSOR_ENTRY_BYTES_MIN, TENSORS_MAX);
  const entryCount = source.count("metadata count", METADATA_ENTRY_BYTES_MIN, METADATA_ENTRIES_MAX);
  const { metadata, positions } = readMetadata(source, entryCount);
  const alignment = alignmentOf(source, metadata, positions);
  const { tensors, dataOffset } = readTensors(source, tensorCount, alignment, part);
  return {
    path: source.path,
    partPaths: [source.path],
    version,
    alignment,
    sizeBytes: source.sizeBytes,
    dataOffset,
    metadata,
    tensors,
    read: (offset, target) => source.readAt(offset, target),
    close: () => source.close(),
  };
}

function readMagicAndVersion(source: ByteSource): number {
  const magic = source.u32();
  if (magic !== 0x46554747) {
    const found = magic.toString(16).padStart(8, "0");
    throw new GgufError(
      `${source.path} is not a GGUF file: its first four bytes, as a number, are 0x${found}, ` +
        `expected 0x46554747 ("GGUF"). Give the path of a .gguf model file.`,
      { code: "WRONG_MAGIC", path: source.path, position: 0, found: `0x${found}` },
    );
  }
  const version = source.u32();
  if (version === 2 || version === 3) return version;
  const hint =
    version !== 0 && (version & 0xffff) === 0
      ? "The file looks big-endian; convert it with llama.cpp's gguf_convert_endian.py."
      : "Convert the model again with a current llama.cpp.";
  throw new GgufError(
    `${source.path}: GGUF version at byte 4 is ${version}, expected 2 or 3. ${hint}`,
    { code: "UNSUPPORTED_VERSION", path: source.path, position: 4, found: version },
  );
}

function alignmentOf(
  source: ByteSource,
  metadata: ReadonlyMap<string, GgufValue>,
  positions: ReadonlyMap<string, number>,
): number {
  const value = metadata.get("general.alignment");
  if (value === undefined) return ALIGNMENT_DEFAULT;
  const n = value.type === "uint32" ? value.value : 0;
  const isPowerOfTwo = n > 0 && (n & (n - 1)) === 0;
  if (isPowerOfTwo && n >= 8 && n <= ALIGNMENT_MAX) return n;
  const found = value.type === "uint32" ? String(value.value) : `of type ${value.type}`;
  throw source.badValue(
    positions.get("general.alignment") ?? 0,
    "general.alignment",
    found,
    `a uint32 power of two between 8 and ${ALIGNMENT_MAX}`,
  );
}
