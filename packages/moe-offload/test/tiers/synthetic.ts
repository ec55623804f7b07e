import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { createPrng } from "@fmlab/sim";
import { EXPERT_PARTS, type ExpertPart } from "../../src/engine/interfaces.ts";
import type { ExpertRanges } from "../../src/tiers/expert-table.ts";
import { addressOf, type MemoryRegion } from "../../src/tiers/native-memory.ts";

/** A model that is nothing but experts, as large as a test wants them. */
export interface SyntheticShape {
  /** Layers that have experts. */
  moeLayers: readonly number[];
  expertCount: number;
  /** Gate, up, down. */
  partBytes: readonly [number, number, number];
}

/** A synthetic model on disk, and its bytes. */
export interface SyntheticModel {
  layout: ExpertRanges;
  paths: string[];
  shape: SyntheticShape;
  keys: number[];
  expertBytes: number;
  /** What the file has for a part of an expert. */
  bytes(key: number, part: ExpertPart): Uint8Array;
}

/** Bytes before the first expert: odd, so that no part begins on a page. */
const LEAD_BYTES = 1234;

/**
 * Writes experts of random bytes to files, layer by layer, each layer's gates before its ups before
 * its downs as in a GGUF file; the layers go to the files in turn.
 */
export function writeSynthetic(
  shape: SyntheticShape,
  paths: readonly string[],
  seed = 1,
): SyntheticModel {
  const { moeLayers, expertCount, partBytes } = shape;
  const random = createPrng(seed, "synthetic");
  const places = new Map<string, { file: number; offset: number }>();
  const ends = paths.map(() => LEAD_BYTES);
  moeLayers.forEach((layer, i) => {
    const file = i % paths.length;
    EXPERT_PARTS.forEach((part, p) => {
      for (let expert = 0; expert < expertCount; expert++) {
        places.set(`${layer}.${expert}.${part}`, { file, offset: ends[file] ?? 0 });
        ends[file] = (ends[file] ?? 0) + (partBytes[p] ?? 0);
      }
    });
  });
  const contents = ends.map((end) => {
    const words = new Uint32Array(Math.ceil(end / 4));
    for (let i = 0; i < words.length; i++) words[i] = random.nextUint32();
    return new Uint8Array(words.buffer, 0, end);
  });
  paths.forEach((path, i) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents[i] ?? new Uint8Array());
  });
  const place = (layer: number, expert: number, part: ExpertPart) => {
    const found = places.get(`${layer}.${expert}.${part}`);
    if (found === undefined) throw new RangeError(`no expert ${expert} in layer ${layer}`);
    return { ...found, sizeBytes: partBytes[EXPERT_PARTS.indexOf(part)] ?? 0 };
  };
  const range = (layer: number, expert: number, part: ExpertPart) => {
    const { file, offset, sizeBytes } = place(layer, expert, part);
    return { path: paths[file] ?? "", offset, sizeBytes };
  };
  return {
    layout: { expertCount, moeLayers, range },
    paths: [...paths],
    shape,
    keys: moeLayers.flatMap((layer) =>
      Array.from({ length: expertCount }, (_, expert) => layer * expertCount + expert),
    ),
    expertBytes: partBytes[0] + partBytes[1] + partBytes[2],
    bytes(key, part) {
      const { file, offset, sizeBytes } = place(
        Math.floor(key / expertCount),
        key % expertCount,
        part,
      );
      return (contents[file] ?? new Uint8Array()).subarray(offset, offset + sizeBytes);
    },
  };
}

/** Slots as the engine's pool has them: by part, memory of this thread with a fixed address. */
export class TestSlots {
  readonly regions: readonly (readonly MemoryRegion[])[];
  readonly #buffers: ArrayBuffer[];
  readonly #partBytes: readonly number[];

  constructor(slotCount: number, partBytes: readonly number[]) {
    this.#partBytes = partBytes;
    this.#buffers = partBytes.map((size) => new ArrayBuffer(slotCount * size));
    const addresses = this.#buffers.map((buffer) => addressOf(buffer));
    this.regions = Array.from({ length: slotCount }, (_, slot) =>
      partBytes.map((sizeBytes, part) => ({
        address: (addresses[part] ?? 0n) + BigInt(slot * sizeBytes),
        sizeBytes,
      })),
    );
  }

  /** The bytes of a part of a slot. */
  view(slot: number, part: ExpertPart): Uint8Array {
    const index = EXPERT_PARTS.indexOf(part);
    const size = this.#partBytes[index] ?? 0;
    return new Uint8Array(this.#buffers[index] ?? new ArrayBuffer(0), slot * size, size);
  }

  /** True when the slot holds exactly that expert. */
  holds(slot: number, model: SyntheticModel, key: number): boolean {
    return EXPERT_PARTS.every(
      (part) => Buffer.compare(this.view(slot, part), model.bytes(key, part)) === 0,
    );
  }
}
