import { EXPERT_PARTS, type ExpertPart } from "../engine/interfaces.ts";

/** Where experts lie in files: what a lane needs of an `ExpertLayout`. */
export interface ExpertRanges {
  readonly expertCount: number;
  /** Layers that have routed experts, ascending. */
  readonly moeLayers: readonly number[];
  range(
    layer: number,
    expert: number,
    part: ExpertPart,
  ): { path: string; offset: number; sizeBytes: number };
}

/** Parts an expert has. */
export const PART_COUNT = EXPERT_PARTS.length;

/**
 * The ranges of all experts as numbers in shared memory. Entries are `[key * PART_COUNT + part]`
 * with `key = layer * expertCount + expert`; layers without experts have zeros.
 */
export interface ExpertTable {
  readonly paths: readonly string[];
  readonly expertCount: number;
  readonly moeLayers: readonly number[];
  /** Keys are below this. */
  readonly keyCount: number;
  /** Into `paths`. */
  readonly files: Int32Array;
  /** From the start of the file. */
  readonly offsets: Float64Array;
  readonly sizesBytes: Float64Array;
  /** Size of the largest part of all. */
  readonly partBytesMax: number;
  /** Size of the largest expert. */
  readonly expertBytesMax: number;
}

/** Asks the layout for every expert once, so that nothing is computed per load. */
export function expertTable(layout: ExpertRanges): ExpertTable {
  const { expertCount, moeLayers } = layout;
  const keyCount = (Math.max(...moeLayers) + 1) * expertCount;
  const entries = keyCount * PART_COUNT;
  const files = new Int32Array(new SharedArrayBuffer(4 * entries));
  const offsets = new Float64Array(new SharedArrayBuffer(8 * entries));
  const sizesBytes = new Float64Array(new SharedArrayBuffer(8 * entries));
  const paths: string[] = [];
  let partBytesMax = 0;
  let expertBytesMax = 0;
  for (const layer of moeLayers) {
    for (let expert = 0; expert < expertCount; expert++) {
      let expertBytes = 0;
      EXPERT_PARTS.forEach((part, i) => {
        const { path, offset, sizeBytes } = layout.range(layer, expert, part);
        if (!paths.includes(path)) paths.push(path);
        const at = (layer * expertCount + expert) * PART_COUNT + i;
        files[at] = paths.indexOf(path);
        offsets[at] = offset;
        sizesBytes[at] = sizeBytes;
        partBytesMax = Math.max(partBytesMax, sizeBytes);
        expertBytes += sizeBytes;
      });
      expertBytesMax = Math.max(expertBytesMax, expertBytes);
    }
  }
  const counts = { expertCount, moeLayers: [...moeLayers], keyCount };
  return { paths, ...counts, files, offsets, sizesBytes, partBytesMax, expertBytesMax };
}

/** Bytes of one expert. */
export function expertBytes({ sizesBytes }: ExpertTable, key: number): number {
  let sum = 0;
  for (let part = 0; part < PART_COUNT; part++) sum += sizesBytes[key * PART_COUNT + part] ?? 0;
  return sum;
}
