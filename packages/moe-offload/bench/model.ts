import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type GgufFile, openGguf } from "@fmlab/ggml";
import { MoeEngine } from "../src/engine/engine.ts";
import type { EngineOptions } from "../src/engine/interfaces.ts";
import { residentSource } from "../test/engine/sources.ts";

/** The model of this repository, or the one that `FMLAB_BENCH_MODEL` names. */
export const BENCH_MODEL =
  process.env.FMLAB_BENCH_MODEL ??
  fileURLToPath(new URL("../../../models/tiny-story-moe.q8_0.gguf", import.meta.url));

/** Opens the benchmark's model file. */
export function openBenchModel(): GgufFile {
  if (!existsSync(BENCH_MODEL)) throw new Error(`the model ${BENCH_MODEL} is missing`);
  return openGguf(BENCH_MODEL);
}

/** An engine with every expert resident. */
export function openResident(file: GgufFile, options: Omit<EngineOptions, "slotCount">): MoeEngine {
  const count = (key: string) => {
    const value = file.metadata.get(`qwen2moe.${key}`)?.value;
    if (typeof value !== "number") throw new Error(`the model has no qwen2moe.${key}`);
    return value;
  };
  const layers = count("block_count");
  const experts = count("expert_count");
  return MoeEngine.open(
    file,
    { ...options, slotCount: layers * experts },
    residentSource(file, layers, experts),
  );
}
