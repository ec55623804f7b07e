import type { ByteSource } from "./byte-source.ts";
import { GgufError } from "./errors.ts";
import { GGML_TYPE_LAYOUTS, type GgufTensor } from "./types.ts";

/** `GGML_MAX_NAME` less the final zero byte. @see ggml.h */
const NAME_BYTES_MAX = 63;
/** `GGML_MAX_DIMS`. @see ggml.h */
const DIMENSIONS_MAX = 4;

/** The tensor directory, and where the data part starts. */
export interface TensorPart {
  tensors: Map<string, GgufTensor>;
  /** First byte of the data part. */
  dataOffset: number;
}

/** A directory entry as read, with the byte of its `offset` field. */
interface Entry {
  tensor: GgufTensor;
  position: number;
}

/**
 * Reads and checks the directory from the source's position on.
 * @param part 0-based number of the source among the files of its model
 */
export function readTensors(
  source: ByteSource,
  count: number,
  alignment: number,
  part: number,
): TensorPart {
  const entries = new Map<string, Entry>();
  for (let i = 0; i < count; i++) {
    const position = source.position;
    const entry = readEntry(source, i, part);
    const name = entry.tensor.name;
    if (entries.has(name)) {
      throw new GgufError(
        `${source.path}: tensor name "${name}" at byte ${position} occurs twice; each name may ` +
          "occur once. The file is damaged or was written by a broken tool.",
        { code: "DUPLICATE_NAME", path: source.path, position, what: "tensor name", name },
      );
    }
    entries.set(name, entry);
  }
  const dataOffset = Math.ceil(source.position / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const [name, entry] of entries) {
    checkPlace(source, entry, dataOffset, alignment);
    entry.tensor.offset += dataOffset;
    tensors.set(name, entry.tensor);
  }
  checkOverlaps(source, [...entries.values()]);
  return { tensors, dataOffset };
}

/** One entry; its `offset` still counts from the start of the data part. */
function readEntry(source: ByteSource, index: number, part: number): Entry {
  const namePosition = source.position;
  const name = source.text(`name of tensor ${index}`, NAME_BYTES_MAX);
  if (name === "") {
    throw source.badValue(namePosition, `name of tensor ${index}`, "empty", "a name");
  }
  const shape = readShape(source, name);
  const typePosition = source.position;
  const type = source.u32();
  const layout = GGML_TYPE_LAYOUTS.get(type);
  if (layout === undefined) {
    throw new GgufError(
      `${source.path}: type of tensor ${name} at byte ${typePosition} is ${type}, which this ` +
        `reader does not know. Known are ${knownTypes()}.`,
      {
        code: "UNKNOWN_TENSOR_TYPE",
        path: source.path,
        position: typePosition,
        tensor: name,
        type,
      },
    );
  }
  const rowLength = shape[0] ?? 1;
  if (rowLength % layout.blockSize !== 0) {
    throw source.badValue(
      typePosition,
      `row length of tensor ${name}`,
      String(rowLength),
      `a multiple of ${layout.blockSize}, the block size of ${layout.name}`,
    );
  }
  const elementCount = shape.reduce((product, n) => product * n, 1);
  const sizeBytes = (elementCount / layout.blockSize) * layout.blockBytes;
  const position = source.position;
  const offset = source.u64();
  if (offset + BigInt(sizeBytes) > BigInt(source.sizeBytes)) {
    throw outOfFile(source, name, position, Number(offset), sizeBytes);
  }
  return {
    tensor: {
      name,
      type,
      typeName: layout.name,
      shape,
      offset: Number(offset),
      sizeBytes,
      path: source.path,
      part,
    },
    position,
  };
}

function knownTypes(): string {
  return [...GGML_TYPE_LAYOUTS.values()].map((layout) => layout.name).join(", ");
}

function readShape(source: ByteSource, name: string): number[] {
  const countPosition = source.position;
  const dimensions = source.u32();
  if (dimensions < 1 || dimensions > DIMENSIONS_MAX) {
    throw source.badValue(
      countPosition,
      `dimension count of tensor ${name}`,
      String(dimensions),
      `1 to ${DIMENSIONS_MAX}`,
    );
  }
  const shape: number[] = [];
  let elementCount = 1n;
  for (let d = 0; d < dimensions; d++) {
    const position = source.position;
    const size = source.u64();
    elementCount *= size;
    // No type packs more than 8 elements in a byte, so more elements cannot be in the file.
    if (size < 1n || elementCount > BigInt(source.sizeBytes) * 8n) {
      throw source.badValue(
        position,
        `dimension ${d} of tensor ${name}`,
        String(size),
        `at least 1 and no more elements than a file of ${source.sizeBytes} bytes can hold`,
      );
    }
    shape.push(Number(size));
  }
  return shape;
}

function checkPlace(source: ByteSource, entry: Entry, dataOffset: number, alignment: number): void {
  const { name, offset, sizeBytes } = entry.tensor;
  if (offset % alignment !== 0) {
    throw new GgufError(
      `${source.path}: offset of tensor ${name} at byte ${entry.position} is ${offset}, ` +
        `expected a multiple of the alignment ${alignment}. ` +
        "The file is damaged or was written by a broken tool.",
      placeFailure(source, name, entry.position, offset),
    );
  }
  if (dataOffset + offset + sizeBytes > source.sizeBytes) {
    throw outOfFile(source, name, entry.position, dataOffset + offset, sizeBytes);
  }
}

function checkOverlaps(source: ByteSource, entries: Entry[]): void {
  entries.sort((a, b) => a.tensor.offset - b.tensor.offset);
  let previous: GgufTensor | undefined;
  for (const { tensor, position } of entries) {
    if (previous !== undefined && tensor.offset < previous.offset + previous.sizeBytes) {
      throw new GgufError(
        `${source.path}: tensor ${tensor.name} starts at byte ${tensor.offset}, inside tensor ` +
          `${previous.name} (${previous.sizeBytes} bytes from byte ${previous.offset}). ` +
          "The file is damaged or was written by a broken tool.",
        placeFailure(source, tensor.name, position, tensor.offset),
      );
    }
    previous = tensor;
  }
}

function outOfFile(
  source: ByteSource,
  name: string,
  position: number,
  offset: number,
  sizeBytes: number,
): GgufError {
  return new GgufError(
    `${source.path}: tensor ${name} (entry at byte ${position}) takes ${sizeBytes} bytes ` +
      `from byte ${offset}, but the file ends at byte ${source.sizeBytes}. ` +
      "It is cut short; fetch it again.",
    placeFailure(source, name, position, offset),
  );
}

function placeFailure(source: ByteSource, tensor: string, position: number, offset: number) {
  return { code: "BAD_TENSOR_PLACE", path: source.path, position, tensor, offset } as const;
}
