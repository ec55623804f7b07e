import { type GgufFile, openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SlotStream } from "../../src/prefill/slot-stream.ts";
import { openStreamMachine } from "../../src/prefill/stream-machine.ts";
import { StreamWindow } from "../../src/prefill/stream-window.ts";
import { WavePrefill } from "../../src/prefill/wave-prefill.ts";
import { haveSameBits, openEngine } from "../engine/open.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";
import { UnsteadyLane } from "./unsteady-lane.ts";

const TOKENS_MAX = 64;
let file: GgufFile;
beforeAll(() => {
  file = openGguf(SHIPPED_MODEL);
});
afterAll(() => file.close());

function openWaves(slotCount: number, haste: number, seed = 1) {
  const opened = openStreamMachine(file, {
    slotsOf: () => slotCount,
    threads: 1,
    contextLength: 2 * TOKENS_MAX,
    batchTokens: TOKENS_MAX,
  });
  const { machine, layout } = opened;
  const lane = new UnsteadyLane(file, layout, machine.pool, haste, seed);
  const stream = new SlotStream({
    shape: layout,
    lane,
    classes: machine.pool.classes,
    classOfLayer: (layer) => machine.pool.classOfLayer(layer).index,
    window: new StreamWindow(),
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
  };
  return { evaluate, lane, stream, close };
}

/** Logits of the prompt graph with all experts resident, in batches of `batchTokens`. */
function resident(tokens: readonly number[], batchTokens: number): Float32Array {
  const engine = openEngine({ contextLength: 2 * TOKENS_MAX, batchTokens });
  const logits = engine.prefill(tokens).slice();
  engine.close();
  return logits;
}

function prompt(length: number): number[] {
  const random = createPrng(length, "prompt");
  return Array.from({ length }, () => random.nextInt(8192));
}

describe("WavePrefill", () => {
  it.each([
    [1, 2],
    [3, 31],
    [5, 32],
    [9, 33],
    [64, 32],
    [256, 64],
  ])("with %i slots gives the bits of the resident prompt graph for %i tokens", (slots, count) => {
    const tokens = prompt(count);
    const waves = openWaves(slots, 0.3, slots);
    expect(haveSameBits(waves.evaluate(tokens, TOKENS_MAX), resident(tokens, TOKENS_MAX))).toBe(
      true,
    );
    waves.close();
  });
});
