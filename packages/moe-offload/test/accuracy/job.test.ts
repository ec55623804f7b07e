import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { GraphAllocator, openGguf } from "@fmlab/ggml";
import { describe, expect, it } from "vitest";
import { type AccuracyJob, runAccuracyJob } from "../../src/accuracy/accuracy-job.ts";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { openEvaluation } from "../../src/quality/evaluation-machine.ts";
import { computeOnce } from "../../src/quality/one-shot-graph.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";

const TEXT =
  "The baker of the lower town had three clocks, and no two of them agreed. He said that it was a " +
  "comfort to him: whatever hour a customer wished it to be, one of the three would say so.";
const HOST = { throwIfCancelled: () => {}, progress: () => {}, log: () => {}, partial: () => {} };
const JOB: AccuracyJob = {
  kind: "accuracy",
  modelPath: SHIPPED_MODEL,
  text: TEXT,
  textName: "inline",
  windowTokens: 24,
  tokensMax: 40,
  threads: 1,
  seed: 1,
  calibrationTokens: 0,
  budgetsPercent: [50],
  hitRateTokensMax: 0,
};

/**
 * The same without engine, routing hooks or traces: gate inputs of one token after the other, each
 * multiplied here, in double precision, with the router weights as the file has them.
 */
function naiveCrossLayer(windowTokens: number, tokensMax: number): number[] {
  const file = openGguf(SHIPPED_MODEL);
  const model = describeModel(file);
  const tokens = new Tokenizer(file).encode(TEXT).slice(0, tokensMax + 1);
  const options = { threads: 1, contextLength: windowTokens, batchTokens: 1 };
  const { machine, tiered, close } = openEvaluation(
    [{ file, layout: expertLayout(file, model) }],
    options,
  );
  const allocator = new GraphAllocator(machine.device);
  const { expertCount, expertUsedCount: used, embeddingLength: width, layerCount } = model;
  const routers = Array.from({ length: layerCount }, (_, layer) => {
    const tensor = file.tensors.get(`blk.${layer}.ffn_gate_inp.weight`);
    const bytes = new Uint8Array(tensor?.sizeBytes ?? 0);
    file.read(tensor?.offset ?? 0, bytes);
    return new Float32Array(bytes.buffer);
  });
  const topOf = (layer: number, input: Float32Array) => {
    const logits = Array.from({ length: expertCount }, (_, expert) =>
      input.reduce((sum, x, i) => sum + x * (routers[layer]?.[expert * width + i] ?? 0), 0),
    );
    const order = [...logits.keys()].sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0));
    return order.slice(0, used);
  };
  const right = new Array<number>(layerCount - 1).fill(0);
  tokens.forEach((token, at) => {
    const position = at % windowTokens;
    machine.context.enter([token], 0, 1, position);
    let x: Float32Array | undefined;
    let expected: number[] = [];
    for (let layer = 0; layer < layerCount; layer++) {
      const place = { tokenCount: 1, position };
      const results = computeOnce(machine, allocator, place, (graph, arena, input) => {
        const attended = graph.attention(layer, x ? input([width, 1], x) : graph.embed());
        const routed = graph.route(layer, attended.normed);
        arena.graph.expand(routed.weights);
        const experts = tiered.layerTensors(arena, 0, layer);
        const output = graph.experts(layer, attended, routed, experts, routed.ids);
        return [attended.normed, output];
      });
      const [normed, output] = results as Float32Array[];
      if (!normed || !output) throw new Error("two results were asked for");
      const chosen = topOf(layer, normed);
      if (layer > 0) {
        right[layer - 1] =
          (right[layer - 1] ?? 0) + chosen.filter((e) => expected.includes(e)).length;
      }
      if (layer + 1 < layerCount) expected = topOf(layer + 1, normed);
      x = output;
    }
  });
  allocator.close();
  close();
  file.close();
  return right.map((count) => count / (tokens.length * used));
}

describe("measuring the accuracy of predictors on a text", () => {
  const result = runAccuracyJob(JOB, HOST);
  const [crossLayer] = result.gates.byDepth;

  it("gives the cross-layer gate's accuracy that router weights and gate inputs give", () => {
    const expected = naiveCrossLayer(JOB.windowTokens, JOB.tokensMax);
    expect(result.tokenCount).toBe(41);
    expect(result.windowCount).toBe(2);
    expect(crossLayer?.slot).toHaveLength(7);
    for (const [layer, share] of (crossLayer?.slot ?? []).entries()) {
      // One expert of one token may be a tie between single and double precision.
      expect(Math.abs(share - (expected[layer] ?? -1))).toBeLessThanOrEqual(1.01 / (41 * 4));
    }
  });

  it("agrees with the predictor that a prefetcher would run, and with its controls", () => {
    expect(result.predictors["cross-layer"]).toMatchObject({ ...crossLayer });
    expect(result.gates.ownGate.slot).toEqual(new Array(8).fill(1));
    expect(result.predictors).not.toHaveProperty("layer-map");
    expect(result.uses.flat().reduce((sum, count) => sum + count, 0)).toBe(41 * 8 * 4);
  });

  it("tries every policy that needs no learning, the one that knows the future too", () => {
    const rates = Object.entries(result.hitRates);
    expect(rates.map(([name]) => name)).toEqual(expect.arrayContaining(["lru", "belady", "fate"]));
    const best = result.hitRates.belady?.["50"]?.overall ?? 0;
    const of = (name: string) => result.hitRates[name]?.["50"]?.overall ?? 1;
    expect(of("on-demand")).toBe(0);
    expect(of("lru")).toBeGreaterThan(0.3);
    expect(of("lru")).toBeLessThan(best);
    expect(result.hitRates["all-resident"]).toEqual({ 50: null });
  });

  it("includes what learns when the model may write a little first", () => {
    const told: string[] = [];
    const host = { ...HOST, progress: (_: number, __: number, label: string) => told.push(label) };
    const job = { ...JOB, calibrationTokens: 64, tokensMax: 8, budgetsPercent: [] };
    const { predictors } = runAccuracyJob(job, host);
    expect(predictors["layer-map"]?.slot).toHaveLength(7);
    expect(told).toContain("learning from its own text");
  });
});

const DATA = process.env.FMLAB_DATA_DIR;
const PROSE = DATA === undefined ? undefined : join(DATA, "text", "held_out_prose.txt.gz");
const hasProse = PROSE !== undefined && existsSync(PROSE);

describe(`on held-out prose${hasProse ? "" : " (skipped: FMLAB_DATA_DIR has none)"}`, () => {
  it.skipIf(!hasProse)("is what a prototype measured on other pages of it", () => {
    const text = gunzipSync(readFileSync(PROSE ?? "")).toString("utf8");
    const job = { ...JOB, text, windowTokens: 0, tokensMax: 600, budgetsPercent: [] };
    const slot = runAccuracyJob(job, HOST).gates.byDepth[0]?.slot ?? [];
    const prototype = [0.316, 0.721, 0.798, 0.795, 0.829, 0.824, 0.829];
    expect(slot).toHaveLength(prototype.length);
    for (const [layer, share] of slot.entries()) {
      expect(Math.abs(share - (prototype[layer] ?? 0))).toBeLessThan(0.05);
    }
  });
});
