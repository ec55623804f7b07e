import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openGguf } from "@fmlab/ggml";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { type RandomModel, randomModelFile } from "../engine/random-model.ts";

/** A model of 0.6 MB: rows of 256 before the activation of an expert, of 64 after it. */
export const SMALL: RandomModel = {
  architecture: "qwen2moe",
  seed: 5,
  layers: 3,
  width: 256,
  heads: 4,
  kvHeads: 2,
  experts: 6,
  used: 2,
  inner: 64,
  sharedInner: 64,
  context: 64,
  ropeBase: 10_000,
  epsilon: 1e-6,
};

/** A folder for one test file; `remove` when all is over. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "fmlab-precision-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Writes a model of random weights and opens it. */
export function openSmall(folder: string, changes: Partial<RandomModel> = {}, name = "small") {
  const path = join(folder, `${name}.gguf`);
  writeFileSync(path, randomModelFile({ ...SMALL, ...changes }));
  const file = openGguf(path);
  const model = describeModel(file);
  return { path, file, model, layout: expertLayout(file, model) };
}
