import {
  encodeGgufHeader,
  GGML_TYPE_LAYOUTS,
  GGUF_ALIGNMENT,
  GGUF_VERSION,
  GgufError,
  type GgufFile,
  type GgufTensor,
  ggufPadded,
  tensorTypeInfo,
} from "@fmlab/ggml";
import { RandomContent } from "./random-content.ts";
import { shapeMetadata } from "./shape-metadata.ts";
import { SHAPE_MODELS, type ShapeModel, type ShapeName } from "./shape-model.ts";
import { type ShapeTensor, shapeTensors } from "./shape-tensors.ts";
import { DEFAULT_STORAGE, type ShapeStorage } from "./shape-types.ts";

/** How a shape is opened. */
export interface ShapeOptions {
  /** Types of its matrices; default: Q4_0 throughout. */
  readonly storage?: ShapeStorage;
  /** Of the content; equal seeds give equal bytes. Default 0. */
  readonly seed?: number;
}

/** A tensor and where it lies. */
interface Region {
  readonly tensor: ShapeTensor;
  readonly start: number;
  readonly end: number;
}

/**
 * Opens a published model without its weights as if it were a GGUF file: true sizes, random
 * content. Byte for byte it is such a file, made up as it is read; `writeShape` puts it on a disk.
 * Its `path` names no file: whoever reads experts past this object needs `writeShape` first.
 *
 * @param shape  a published model, or one made smaller by `shrinkShape`
 * @see shapeLabel, for what has to be said beside every result
 */
export function openShape(shape: ShapeName | ShapeModel, options: ShapeOptions = {}): GgufFile {
  const model = typeof shape === "string" ? SHAPE_MODELS[shape] : shape;
  const storage = options.storage ?? DEFAULT_STORAGE;
  const path = `shape:${model.name}`;
  const metadata = shapeMetadata(model, storage);
  const tensors = shapeTensors(model, storage);
  const header = encodeGgufHeader(metadata, tensors);
  const regions = placed(tensors, header.length);
  const content = new RandomContent(options.seed ?? 0);
  const sizeBytes = ggufPadded(regions.at(-1)?.end ?? header.length);
  let isClosed = false;
  return {
    path,
    partPaths: [path],
    version: GGUF_VERSION,
    alignment: GGUF_ALIGNMENT,
    sizeBytes,
    dataOffset: header.length,
    metadata,
    tensors: new Map(regions.map((region) => [region.tensor.name, directoryEntry(region, path)])),
    read(offset, target, part = 0) {
      if (part !== 0) throw new RangeError(`the model has 1 file, no file ${part}`);
      if (isClosed) throw closed(path);
      const isInside = offset >= 0 && offset + target.length <= sizeBytes;
      if (!isInside) throw outside(path, offset, target, sizeBytes);
      readFrom(header, regions, content, offset, target);
    },
    close() {
      isClosed = true;
    },
  };
}

function placed(tensors: readonly ShapeTensor[], dataOffset: number): Region[] {
  let next = dataOffset;
  return tensors.map((tensor) => {
    const start = next;
    const end = start + tensor.sizeBytes;
    next = ggufPadded(end);
    return { tensor, start, end };
  });
}

function directoryEntry({ start, tensor }: Region, path: string): GgufTensor {
  const { name, shape, sizeBytes, type } = tensor;
  const typeName = GGML_TYPE_LAYOUTS.get(type)?.name ?? tensorTypeInfo(type).name;
  return { name, type, typeName, shape: [...shape], offset: start, sizeBytes, path, part: 0 };
}

function readFrom(
  header: Uint8Array,
  regions: readonly Region[],
  content: RandomContent,
  offset: number,
  target: Uint8Array,
): void {
  const end = offset + target.length;
  const headerEnd = Math.min(end, header.length);
  if (offset < headerEnd) target.set(header.subarray(offset, headerEnd));
  let padded = Math.max(offset, headerEnd);
  for (let i = firstEndingAfter(regions, offset); i < regions.length; i++) {
    const region = regions[i];
    if (region === undefined || region.start >= end) break;
    const from = Math.max(region.start, offset);
    const to = Math.min(region.end, end);
    if (from > padded) target.fill(0, padded - offset, from - offset);
    content.fill(region.tensor, from - region.start, target.subarray(from - offset, to - offset));
    padded = to;
  }
  if (padded < end) target.fill(0, padded - offset);
}

/** Place of the first region that ends after `offset`; the number of regions when none does. */
function firstEndingAfter(regions: readonly Region[], offset: number): number {
  let low = 0;
  let high = regions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((regions[middle]?.end ?? 0) > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

function closed(path: string): GgufError {
  const reason = "it is closed";
  return new GgufError(`${path} cannot be read: ${reason}. Open the shape again.`, {
    code: "UNREADABLE",
    path,
    reason,
  });
}

function outside(path: string, position: number, { length }: Uint8Array, fileBytes: number) {
  return new GgufError(
    `${path} ends at byte ${fileBytes}, but ${length} bytes are needed at byte ${position}. ` +
      "Read inside its tensors.",
    { code: "TRUNCATED", path, position, neededBytes: length, fileBytes },
  );
}
