import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { type RandomModel, randomModelFile } from "../engine/random-model.ts";

/**
 * Writes a model of three layers with eight experts, two of them used; `remove` when all is over.
 */
export function writeRandomModel(
  changes: Pick<RandomModel, "architecture" | "context"> & Partial<RandomModel>,
): { model: string; remove: () => void } {
  const folder = mkdtempSync(path.join(os.tmpdir(), "fmlab-random-model-"));
  const model = path.join(folder, "model.gguf");
  writeFileSync(
    model,
    randomModelFile({
      seed: 3,
      layers: 3,
      width: 64,
      heads: 2,
      kvHeads: 2,
      experts: 8,
      used: 2,
      inner: 64,
      ropeBase: 10_000,
      epsilon: 1e-5,
      ...changes,
    }),
  );
  return { model, remove: () => rmSync(folder, { recursive: true }) };
}
