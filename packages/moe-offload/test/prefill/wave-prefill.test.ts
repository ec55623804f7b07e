import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PromptGraph } from "../../src/engine/prompt-graph.ts";
import { SlotStream } from "../../src/prefill/slot-stream.ts";
import { openStreamMachine } from "../../src/prefill/stream-machine.ts";
import { StreamWindow } from "../../src/prefill/stream-window.ts";
import { WavePrefill } from "../../src/prefill/wave-prefill.ts";
import { openMachine } from "../engine/graph-machine.ts";
import { randomModelFile } from "../engine/random-model.ts";
import { BYTE_TOKENS } from "../model/byte-tokenizer.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";
import { expectSameRows } from "../throughput/open-group.ts";
import { UnsteadyLane } from "./unsteady-lane.ts";

const CONTEXT = 64;
const SMALL = randomModelFile({
  architecture: "qwen2moe",
  seed: 5,
  layers: 4,
  width: 64,
  heads: 4,
  kvHeads: 2,
  experts: 12,
  used: 3,
  inner: 32,
  sharedInner: 32,
  context: CONTEXT,
  ropeBase: 10_000,
  epsilon: 1e-5,
});
let folder: string;
let small: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "fmlab-waves-"));
  small = path.join(folder, "model.gguf");
  writeFileSync(small, SMALL);
});
afterAll(() => rmSync(folder, { recursive: true }));

function openWaves(modelPath: string, slotCount: number, haste = 0.3) {
  const file = openGguf(modelPath);
  const opened = openStreamMachine(file, {
    slotsOf: () => slotCount,
    threads: 1,
    contextLength: CONTEXT,
    batchTokens: CONTEXT,
  });
  const { layout, machine } = opened;
  const lane = new UnsteadyLane(file, layout, machine.pool, haste, slotCount);
  const stream = new SlotStream({
    shape: layout,
    lane,
    classes: machine.pool.classes,
    classOfLayer: (layer) => machine.pool.classOfLayer(layer).index,
    window: new StreamWindow(layout.expertCount),
  });
  const waves = new WavePrefill(machine, stream, { nowMs: () => lane.nowMs() });
  const evaluate = (tokens: readonly number[], batchTokens: number) => {
    let logits: Float32Array = new Float32Array(0);
    for (let from = 0; from < tokens.length; from += batchTokens) {
      const tokenCount = Math.min(batchTokens, tokens.length - from);
      machine.context.enter(tokens, from, tokenCount, from);
      const wantsLogits = from + tokenCount === tokens.length;
      logits = waves.evaluate({ tokenCount, position: from, wantsLogits });
    }
    return logits.slice();
  };
  const close = () => {
    waves.close();
    opened.close();
    file.close();
  };
  return { evaluate, lane, stream, close };
}

/** Logits of the prompt graph with all experts resident, in batches of `batchTokens`. */
function resident(modelPath: string, prompts: readonly number[][], batchTokens: number) {
  const machine = openMachine(modelPath);
  machine.loadAll();
  const graph = new PromptGraph(machine);
  const rows = prompts.map((tokens) => {
    let logits: Float32Array = new Float32Array(0);
    for (let from = 0; from < tokens.length; from += batchTokens) {
      const tokenCount = Math.min(batchTokens, tokens.length - from);
      machine.context.enter(tokens, from, tokenCount, from);
      const wantsLogits = from + tokenCount === tokens.length;
      const batch = { tokenCount, position: from, wantsLogits, onRouting: undefined };
      logits = graph.evaluate(batch).slice();
    }
    return logits;
  });
  graph.close();
  machine.close();
  return rows;
}

function promptsOf(lengths: readonly number[], vocabularySize: number): number[][] {
  const random = createPrng(1, "prompts");
  return lengths.map((length) => Array.from({ length }, () => random.nextInt(vocabularySize)));
}

describe("WavePrefill", () => {
  const prompts = promptsOf([1, 2, 31, 32, 33, 64], BYTE_TOKENS.length);

  it.each([1, 2, 5, 13, 48])(
    "gives the bits of the resident prompt graph with %i slots",
    (slots) => {
      const waves = openWaves(small, slots);
      const logits = prompts.map((prompt) => waves.evaluate(prompt, CONTEXT));
      expectSameRows(logits, resident(small, prompts, CONTEXT));
      waves.close();
    },
  );

  it.each([1, 7, 16])("gives them for prompts in batches of %i tokens", (batchTokens) => {
    const some = prompts.slice(3, 5);
    const waves = openWaves(small, 9);
    const logits = some.map((prompt) => waves.evaluate(prompt, batchTokens));
    expectSameRows(logits, resident(small, some, batchTokens));
    waves.close();
  });

  it("gives them on the shipped model with a quarter of its experts", () => {
    const long = promptsOf([33], 8192);
    const waves = openWaves(SHIPPED_MODEL, 64);
    expectSameRows(
      [waves.evaluate(long[0] ?? [], CONTEXT)],
      resident(SHIPPED_MODEL, long, CONTEXT),
    );
    waves.close();
  });

  it("loads each needed expert once for a prompt, and again only for what comes next", () => {
    const waves = openWaves(small, 20);
    const [prompt = []] = promptsOf([CONTEXT], BYTE_TOKENS.length);
    waves.evaluate(prompt, CONTEXT);
    const there = new Set(waves.stream.settle().map(({ key }) => key));
    const before = waves.lane.log.length;
    waves.evaluate(prompt, CONTEXT);
    const kept = new Set(waves.stream.settle().map(({ key }) => key));
    const loaded = waves.lane.log.slice(before).map(({ key }) => key);
    const again = loaded.filter((key, index) => loaded.indexOf(key) !== index);
    expect(again.filter((key) => !kept.has(key))).toEqual([]);
    expect(new Set(again).size).toBe(again.length);
    expect(loaded.length).toBeGreaterThan(0);
    expect(loaded.length).toBeLessThan(48);
    expect(there.size).toBeGreaterThan(10);
    waves.close();
  });

  it("can be used again after a load has failed", () => {
    const waves = openWaves(small, 9);
    const [prompt = []] = promptsOf([20], BYTE_TOKENS.length);
    let left = 5;
    waves.lane.onRead = () => {
      if (left-- === 0) throw new Error("the disk is gone");
    };
    expect(() => waves.evaluate(prompt, CONTEXT)).toThrow("the disk is gone");
    waves.lane.onRead = () => {};
    expectSameRows([waves.evaluate(prompt, CONTEXT)], resident(small, [prompt], CONTEXT));
    waves.close();
  });
});
