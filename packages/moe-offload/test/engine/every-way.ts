import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { MoeEngine } from "../../src/engine/engine.ts";
import { PromptGraph } from "../../src/engine/prompt-graph.ts";
import { WholeGraph } from "../../src/engine/whole-graph.ts";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { BYTE_TOKENS } from "../model/byte-tokenizer.ts";
import { openMachine, ScatteredDecoder } from "./graph-machine.ts";
import { haveSameBits } from "./open.ts";
import type { RandomModel } from "./random-model.ts";
import { ScatteredSource } from "./scattered-source.ts";

/** Runs `use` on a file that holds `bytes`. */
export function withFile<T>(bytes: Uint8Array, use: (modelPath: string) => T): T {
  const folder = mkdtempSync(path.join(os.tmpdir(), "fmlab-random-"));
  try {
    const modelPath = path.join(folder, "model.gguf");
    writeFileSync(modelPath, bytes);
    return use(modelPath);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Tokens of a text that means nothing, without a pattern that a cache could hide. */
export function tokensOf(model: RandomModel): number[] {
  return Array.from({ length: model.context }, (_, i) => (i * 2617 + 11) % BYTE_TOKENS.length);
}

/** The logits of each token, all experts resident, the token as one graph. */
export function decodeWhole(modelPath: string, tokens: readonly number[]): Float32Array[] {
  const machine = openMachine(modelPath);
  machine.loadAll();
  const whole = new WholeGraph(machine);
  const rows = tokens.map((token, position) => {
    machine.context.enter([token], 0, 1, position);
    return whole.evaluate(position).slice();
  });
  whole.close();
  machine.close();
  return rows;
}

/** The logits of each token with as few slots as a token needs, experts in random order. */
export function decodeScattered(modelPath: string, model: RandomModel): Float32Array[] {
  const classes = openMachine(modelPath);
  const slotCounts = classes.layout.classes.map(() => Math.min(model.experts, model.used + 1));
  classes.close();
  const machine = openMachine(modelPath, slotCounts);
  const decoder = new ScatteredDecoder(machine, createPrng(model.seed, "order"));
  const rows = tokensOf(model).map((token, position) => decoder.decode(token, position).slice());
  decoder.close();
  machine.close();
  return rows;
}

/** The logits of each token from the engine, experts arriving at random times in random slots. */
export function decodeEngine(modelPath: string, model: RandomModel): Float32Array[] {
  const file = openGguf(modelPath);
  const layout = expertLayout(file, describeModel(file));
  const slotCount = layout.classes.map(() => Math.min(model.experts, model.used + 1));
  const engine = MoeEngine.open(
    file,
    { slotCount, threads: 1, aheadDepth: 2 },
    (pool) => new ScatteredSource(file, layout, pool, createPrng(model.seed, "arrivals")),
  );
  const rows = tokensOf(model).map((token) => engine.decode(token).slice());
  engine.close();
  file.close();
  return rows;
}

/** The logits of the last token of a prompt that is evaluated as one graph. */
export function decodePrompt(modelPath: string, tokens: readonly number[]): Float32Array {
  const machine = openMachine(modelPath);
  machine.loadAll();
  const graph = new PromptGraph(machine);
  machine.context.enter(tokens, 0, tokens.length, 0);
  const tokenCount = tokens.length;
  const batch = { tokenCount, position: 0, wantsLogits: true, onRouting: undefined };
  const logits = graph.evaluate(batch).slice();
  graph.close();
  machine.close();
  return logits;
}

/** Places where two lists of rows differ in a bit. */
export function differentRows(a: readonly Float32Array[], b: readonly Float32Array[]): number[] {
  const empty = new Float32Array(0);
  const rows = Array.from({ length: Math.max(a.length, b.length) }, (_, row) => row);
  return rows.filter((row) => !haveSameBits(a[row] ?? empty, b[row] ?? empty));
}
