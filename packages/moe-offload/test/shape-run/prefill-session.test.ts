import { describe, expect, it } from "vitest";
import { calibrationFromTrace } from "../../src/replay/trace-knowledge.ts";
import type { ShapePrefillJob } from "../../src/shape-run/prefill-job.ts";
import { planPrefill } from "../../src/shape-run/prefill-plan.ts";
import { runShapePrefillJob } from "../../src/shape-run/prefill-session.ts";
import { PrefillTexts } from "../../src/shape-run/prefill-texts.ts";
import { generateShapeTrace } from "../../src/shapes/shape-trace.ts";

const JOB: ShapePrefillJob = {
  kind: "shape-prefill",
  shape: "olmoe-1b-7b",
  layerCount: 3,
  widthDivisor: 8,
  storage: "Q4_0",
  device: "cpu",
  slots: [40],
  strategies: ["load-on-demand", "moe-infinity", "fate", "waves", "waves-gated", "planned"],
  promptTokens: [12],
  prompts: 3,
  trainingTokens: 48,
  linkMBps: 0,
  layerMs: 0,
  threads: 1,
  seed: 1,
};
const QUIET = { throwIfCancelled() {}, progress() {}, log() {}, partial() {} };

describe("prompts over a shape", () => {
  it("are evaluated by every strategy over the same routing", () => {
    const { cells, expertBytes, expertTotal, label, resident } = runShapePrefillJob(JOB, QUIET);
    expect(label.title).toMatch(/^shape of OLMoE .*random content/);
    expect(expertTotal).toBe(3 * 64);
    expect(cells.map(({ strategy }) => strategy)).toEqual(JOB.strategies);
    expect(resident[0]?.promptMs).toHaveLength(4);
    const [demand, , fate, waves, , planned] = cells;
    // 12 tokens, top-8, the last layer for the last token alone.
    for (const cell of cells) {
      expect(cell.promptMs).toHaveLength(3);
      expect(cell.missedBytes).toBeLessThanOrEqual((2 * 64 + 8) * expertBytes);
      expect(cell.loadedBytes).toBeGreaterThan(0);
      expect(cell.hiddenShare).toBeGreaterThanOrEqual(0);
      expect(cell.hiddenShare).toBeLessThanOrEqual(1);
    }
    // Nothing is kept on demand, and all that is missed is loaded once.
    expect(demand?.loadedBytes).toBe(demand?.missedBytes);
    expect(fate?.missedBytes).toBeLessThan(demand?.missedBytes ?? 0);
    expect(waves?.missedBytes).toBeLessThan(demand?.missedBytes ?? 0);
    expect(["waves", "waves-gated", "fate"]).toContain(planned?.plan?.name);
  });

  it("are evaluated once where budgets hold every expert", () => {
    const job = { ...JOB, slots: [200, 999], strategies: ["waves" as const] };
    const { cells, expertTotal } = runShapePrefillJob(job, QUIET);
    expect(cells.map(({ slots }) => slots)).toEqual([expertTotal]);
  });

  it("stop when they are cancelled", () => {
    let left = 3;
    const throwIfCancelled = () => {
      if (left-- === 0) throw new Error("stop");
    };
    const job = { ...JOB, strategies: ["waves" as const] };
    expect(() => runShapePrefillJob(job, { ...QUIET, throwIfCancelled })).toThrow("stop");
  });
});

const routing = { layerCount: 4, expertCount: 64, expertUsedCount: 8, moeLayers: [0, 1, 2, 3] };
const trace = generateShapeTrace("olmoe-1b-7b", {
  tokenCount: 160,
  sequenceTokens: 32,
  seed: 3,
  routing,
});

describe("what a prompt's tokens choose", () => {
  const texts = new PrefillTexts(trace, routing, 20);

  it("is the trace's, the last layer for the last token", () => {
    expect(texts.count).toBe(5);
    const whole = texts.chosen(1, 2);
    expect(whole).toHaveLength(20 * 8);
    const last = new Int32Array(8);
    texts.replace(1, 2, last);
    expect([...last]).toEqual([...whole.slice(-8)]);
    expect(texts.chosen(1, 3)).toHaveLength(8);
    expect([...whole.slice(0, 8)]).not.toEqual([...texts.chosen(2, 2).slice(0, 8)]);
  });

  it("is foreseen by the gate of the layer before as the trace's logits rank it", () => {
    const { ahead, aheadDepth } = trace;
    const counts = new Map<number, number>();
    // Text 1 begins at token 32; layer 1 stands second of four and looks one layer ahead.
    for (let token = 32; token < 52; token++) {
      const at = (token * 4 + 1) * aheadDepth * 64;
      const row = [...(ahead?.subarray(at, at + 64) ?? [])];
      const ranked = row.map((logit, expert) => ({ logit, expert }));
      ranked.sort((a, b) => b.logit - a.logit);
      for (const { expert } of ranked.slice(0, 8))
        counts.set(expert, (counts.get(expert) ?? 0) + 1);
    }
    const expected = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
    expect(texts.predicted(1, 2)).toEqual(expected.map(([expert]) => 2 * 64 + expert));
    expect(texts.predicted(1, 0)).toEqual([]);
    const used = new Set(texts.chosen(1, 2));
    const right = texts.predicted(1, 2).filter((key) => used.has(key % 64)).length;
    expect(right / used.size).toBeGreaterThan(0.8);
  });
});

describe("a plan for prompts", () => {
  const texts = new PrefillTexts(trace, routing, 20);
  const calibration = calibrationFromTrace(trace);
  const times = { promptMs: 8, layerMs: 1, rowMs: 0.005, headMs: 1 };
  const plan = (slotCount: number, linkMBps: number) =>
    planPrefill({ slotCount, expertBytes: 1e6, calibration, texts, times, linkMBps });

  it("expects no less than computing, and no less than copying what no slot holds", () => {
    const computeMs = 4 * times.layerMs + times.headMs + (3 * 20 + 1) * 8 * times.rowMs;
    expect(plan(256, 1e6).predictedMs).toBeGreaterThanOrEqual(computeMs - 1e-9);
    const needed = [0, 1, 2, 3].reduce(
      (sum, layer) => sum + new Set(texts.chosen(2, layer)).size,
      0,
    );
    // 1 MB at 1,000 MB/s takes 1 ms.
    expect(plan(64, 1000).predictedMs).toBeGreaterThan(needed - 64 - 20);
    expect(plan(200, 1000).predictedMs).toBeLessThan(plan(64, 1000).predictedMs);
  });

  it("is one of ours where there are too few slots for Fate", () => {
    expect(plan(2, 1000).name).toMatch(/^waves/);
  });
});
