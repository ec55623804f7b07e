import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openShape } from "../../src/shapes/shape-file.ts";
import { shapeLabel } from "../../src/shapes/shape-label.ts";
import { SHAPE_MODELS } from "../../src/shapes/shape-model.ts";
import { SHAPE_NAMES, type ShapeName } from "../../src/shapes/shape-names.ts";
import type { ShapeType } from "../../src/shapes/shape-types.ts";
import { shrinkShape } from "../../src/shapes/shrink.ts";
import { writeShape } from "../../src/shapes/write-shape.ts";

/** A shape as a file, for engines that read files. */
export interface ShapeOnDisk {
  readonly path: string;
  /** What has to stand beside every result. */
  readonly label: string;
  remove(): void;
}

/** What is written: the first layers, all where left out, in a type of weights. */
export interface ShapeOnDiskOptions {
  readonly layers?: number;
  readonly storage?: ShapeType;
}

/**
 * Writes a published model's shape, random content at true widths, to a new folder.
 * @throws Error for an unknown name; MoeError `DISK_FULL` | `UNWRITABLE`
 */
export function putShapeOnDisk(
  name: string,
  parent: string,
  { layers, storage = "Q4_0" }: ShapeOnDiskOptions = {},
): ShapeOnDisk {
  const known = SHAPE_NAMES.find((one): one is ShapeName => one === name);
  if (!known) throw new Error(`--shape ${name}; known are ${SHAPE_NAMES.join(", ")}`);
  const folder = mkdtempSync(join(parent, "fmlab-shape-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const whole = SHAPE_MODELS[known];
    const layerCount = Math.min(layers ?? whole.layerCount, whole.layerCount);
    const model = layerCount < whole.layerCount ? shrinkShape(whole, { layerCount }) : whole;
    const file = openShape(model, { storage: { experts: storage, dense: storage } });
    const path = join(folder, `${known}.${storage.toLowerCase()}.gguf`);
    writeShape(file, path);
    const label = shapeLabel(file)?.title ?? `shape of ${known}, random content`;
    file.close();
    return { path, label, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
