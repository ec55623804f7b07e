import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openShape } from "../../src/shapes/shape-file.ts";
import { shapeLabel } from "../../src/shapes/shape-label.ts";
import { SHAPE_NAMES, type ShapeName } from "../../src/shapes/shape-names.ts";
import { writeShape } from "../../src/shapes/write-shape.ts";

/** A shape as a file, for engines that read files. */
export interface ShapeOnDisk {
  readonly path: string;
  /** What has to stand beside every result. */
  readonly label: string;
  remove(): void;
}

/**
 * Writes a published model's shape, random content at true sizes in 4 bits, to a new folder.
 * @throws Error for an unknown name; MoeError `DISK_FULL` | `UNWRITABLE`
 */
export function putShapeOnDisk(name: string, parent: string): ShapeOnDisk {
  const known = SHAPE_NAMES.find((one): one is ShapeName => one === name);
  if (!known) throw new Error(`--shape ${name}; known are ${SHAPE_NAMES.join(", ")}`);
  const folder = mkdtempSync(join(parent, "fmlab-shape-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const file = openShape(known);
    const path = join(folder, `${known}.q4_0.gguf`);
    writeShape(file, path);
    const label = shapeLabel(file)?.title ?? `shape of ${known}, random content`;
    file.close();
    return { path, label, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
