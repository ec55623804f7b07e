import { describe, expect, it } from "vitest";
import { rankExperts } from "../../src/predictors/rank-experts.ts";
import {
  FATE_SLOT_ACCURACY,
  publishedSlotAccuracy,
  slotAccuracies,
  withDerivedAhead,
} from "../../src/shapes/derived-ahead.ts";
import { generateShapeTrace } from "../../src/shapes/shape-trace.ts";
import { checkTrace, type Trace } from "../../src/traces/trace.ts";
import { smallTrace } from "../traces/small-trace.ts";

const SHAPE = { layerCount: 6, expertCount: 24, expertUsedCount: 4, moeLayers: [1, 2, 3, 4, 5] };
const trace = smallTrace({ shape: SHAPE, tokens: 600, aheadDepth: 0, seed: 2 });

/** Share of the experts of a layer that are among the `width` highest logits `depth` before it. */
function found(from: Trace, depth: number, width: number): number {
  const { ahead, aheadDepth, experts, shape, tokenCount } = from;
  const { expertCount, expertUsedCount: used, moeLayers } = shape;
  const ranked = new Int32Array(width);
  let right = 0;
  let all = 0;
  for (let token = 0; token < tokenCount; token++) {
    for (let index = 0; index + depth < moeLayers.length; index++) {
      const row = token * moeLayers.length + index;
      const at = (row * aheadDepth + depth - 1) * expertCount;
      rankExperts(ahead?.subarray(at, at + expertCount) ?? new Float32Array(0), width, ranked);
      const target = (row + depth) * used;
      for (let i = 0; i < used; i++) if (ranked.includes(experts[target + i] ?? -1)) right++;
      all += used;
    }
  }
  return right / all;
}

describe("a cross-layer prediction that is derived from a trace", () => {
  it.each([
    [0.4, true],
    [0.7879, true],
    [0.95, true],
    [0.7879, false],
  ])("has the stated accuracy of %d (with probabilities: %s)", (value, hasProbabilities) => {
    const { probabilities, ...rest } = trace;
    const source = hasProbabilities ? trace : rest;
    const slotAccuracy = { value, source: "stated" };
    const derived = withDerivedAhead(source, { slotAccuracy, seed: 1, depth: 1 });
    checkTrace(derived, "derived");
    const counted = slotAccuracies(derived);
    expect(Math.abs((counted?.slots ?? 0) - value)).toBeLessThan(0.015);
    expect(counted?.slots).toBeCloseTo(found(derived, 1, 4), 10);
    for (const layer of counted?.byLayer ?? []) expect(Math.abs(layer - value)).toBeLessThan(0.04);
    expect(counted?.byLayer.length).toBe(4);
    expect(counted?.wholeRoutings).toBeLessThan(counted?.slots ?? 0);
  });

  it("is perfect at an accuracy of 1", () => {
    const slotAccuracy = { value: 1, source: "stated" };
    const derived = withDerivedAhead(trace, { slotAccuracy, seed: 1, depth: 1 });
    expect(slotAccuracies(derived)?.slots).toBe(1);
    expect(slotAccuracies(derived)?.wholeRoutings).toBe(1);
  });

  it("finds more when more are taken, and less from farther off", () => {
    const derived = withDerivedAhead(trace, {
      slotAccuracy: FATE_SLOT_ACCURACY,
      seed: 1,
      depth: 3,
    });
    expect(found(derived, 1, 6)).toBeGreaterThan(found(derived, 1, 4) + 0.05);
    const near = FATE_SLOT_ACCURACY.value;
    expect(Math.abs(found(derived, 2, 4) - near ** 2)).toBeLessThan(0.02);
    const farthest = Math.max(near ** 3, (near + 4 / 24) / 2);
    expect(Math.abs(found(derived, 3, 4) - farthest)).toBeLessThan(0.02);
  });

  it("depends on trace and seed only, leaves the routing alone, and says that it is simulated", () => {
    const slotAccuracy = FATE_SLOT_ACCURACY;
    const [first, same, other] = [1, 1, 2].map((seed) =>
      withDerivedAhead(trace, { slotAccuracy, seed, depth: 1 }),
    );
    const bits = (one?: Trace) => Buffer.from(one?.ahead?.buffer ?? new ArrayBuffer(0));
    expect(bits(same).equals(bits(first))).toBe(true);
    expect(bits(other).equals(bits(first))).toBe(false);
    expect(first?.experts).toBe(trace.experts);
    expect(first?.provenance.isSimulated).toBe(true);
    expect(first?.provenance.notes).toMatch(/derived.*0\.7879.*second-hand.*no gate computed them/);
  });

  it("is refused at chance or beyond 1, and more than three layers ahead", () => {
    for (const value of [4 / 24, 1.01, Number.NaN]) {
      const slotAccuracy = { value, source: "none" };
      const options = { slotAccuracy, seed: 1, depth: 1 };
      expect(() => withDerivedAhead(trace, options)).toThrow(/slotAccuracy/);
    }
    const options = { slotAccuracy: FATE_SLOT_ACCURACY, seed: 1, depth: 4 };
    expect(() => withDerivedAhead(trace, options)).toThrow(/depth is 4/);
    expect(slotAccuracies(smallTrace({ isBare: true }))).toBeUndefined();
  });

  it("takes what is published of a model, else what is of DeepSeekMoE", () => {
    expect(publishedSlotAccuracy("qwen3-30b-a3b").value).toBe(0.886);
    expect(publishedSlotAccuracy("deepseek-moe-16b").value).toBeCloseTo(0.788, 3);
    expect(publishedSlotAccuracy("mixtral-8x7b")).toBe(FATE_SLOT_ACCURACY);
  });
});

describe("routing that is generated for a published model", () => {
  it("has its counts, sequences as asked for, and the gate accuracy of its dial", () => {
    const generated = generateShapeTrace("mixtral-8x7b", {
      tokenCount: 200,
      sequenceTokens: 40,
      seed: 1,
      dials: { crossLayerAccuracy: 0.79 },
    });
    checkTrace(generated, "generated");
    expect(generated.shape).toMatchObject({ layerCount: 32, expertCount: 8, expertUsedCount: 2 });
    expect(generated.positions[39]).toBe(39);
    expect(generated.positions[40]).toBe(0);
    expect(Math.abs((slotAccuracies(generated)?.slots ?? 0) - 0.79)).toBeLessThan(0.03);
    expect(generated.provenance.isSimulated).toBe(true);
  });

  it("has the counts of a shape that was made smaller, and what is published of the model", () => {
    const generated = generateShapeTrace("qwen3-30b-a3b", {
      tokenCount: 400,
      sequenceTokens: 100,
      seed: 1,
      routing: { layerCount: 3, expertCount: 16, expertUsedCount: 4, moeLayers: [0, 1, 2] },
    });
    expect(generated.experts.length).toBe(400 * 3 * 4);
    expect(Math.abs((slotAccuracies(generated)?.slots ?? 0) - 0.886)).toBeLessThan(0.03);
  });
});
