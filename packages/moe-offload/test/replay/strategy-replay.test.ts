import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import type { RoutingShape } from "../../src/offload/routing.ts";
import { STRATEGIES, STRATEGY_NAMES } from "../../src/offload/strategies.ts";
import { lru } from "../../src/policies/lru.ts";
import { uniformTimes } from "../../src/replay/compute-times.ts";
import { PUBLISHED_CELLS, publishedMachine } from "../../src/replay/published-machines.ts";
import { replayTrace } from "../../src/replay/replayer.ts";
import {
  type ReplayMachine,
  replayBestPossible,
  replayStrategy,
} from "../../src/replay/strategy-replay.ts";
import { calibrationFromTrace } from "../../src/replay/trace-knowledge.ts";
import { traceLayout } from "../../src/replay/trace-layout.ts";
import { generateTrace } from "../../src/traces/generator.ts";
import { MODEL_SHAPES } from "../../src/traces/model-shapes.ts";
import { logNormalPopularity } from "../../src/traces/popularity.ts";
import { smallTrace } from "../traces/small-trace.ts";

const SHAPE: RoutingShape = {
  layerCount: 5,
  expertCount: 12,
  expertUsedCount: 2,
  moeLayers: [1, 2, 3, 4],
};
const generate = (seed: number) =>
  generateTrace({
    model: "small",
    shape: SHAPE,
    tokenCount: 400,
    seed,
    date: "2026-11-23",
    popularity: logNormalPopularity(SHAPE, 0.5, ["a"], createPrng(1)),
    sequenceTokens: 100,
    previousTokenReuse: 0.4,
    sequenceReuse: 0.25,
    crossLayerAccuracy: 0.8,
    aheadDepth: 3,
    chosenMass: 0.6,
    hasProbabilities: true,
  });
const BYTES = 1_000_000;
const MACHINE: ReplayMachine = {
  budgetBytes: 24 * BYTES,
  expertBytes: () => BYTES,
  link: { bandwidthMBps: 500, latencyUs: 0, queueDepth: 1 },
  times: uniformTimes(SHAPE, { attentionMs: 1, expertMs: 0.5, headMs: 1, denseMs: 2 }),
};

describe("a strategy's replay", () => {
  const trace = generate(1);
  const calibration = calibrationFromTrace(generate(2));
  const best = replayBestPossible(trace, MACHINE);

  it.each(STRATEGY_NAMES)("runs %s within its bound and below the best possible", (name) => {
    const result = replayStrategy(trace, STRATEGIES[name], MACHINE, calibration);
    expect(result.counts.uses).toBe(400 * 4 * 2);
    expect(result.tokensPerSecond).toBeLessThanOrEqual(result.bound.tokensPerSecond);
    expect(result.tokensPerSecond).toBeLessThan(best.tokensPerSecond);
    const isPrefetching = (STRATEGIES[name].prefetch.control as string) !== "off";
    if (!isPrefetching) expect(result.bytes.prefetched).toBe(0);
  });

  it("is that of its parts", () => {
    const plain = replayTrace(trace, { ...MACHINE, policy: lru, slotCount: 24, readyFirst: false });
    expect(replayStrategy(trace, STRATEGIES.lru, MACHINE)).toEqual(plain);
  });

  it("counts the bytes of layers whose experts have other sizes", () => {
    const expertBytes = (layer: number) => (layer < 3 ? BYTES : 2 * BYTES);
    const machine = { ...MACHINE, expertBytes, budgetBytes: 40 * BYTES };
    const { bytes, layers } = replayStrategy(trace, STRATEGIES.lru, machine);
    const sum = layers.reduce((a, { layer, demanded }) => a + demanded * expertBytes(layer), 0);
    expect(bytes).toEqual({ demanded: sum, prefetched: 0, wasted: 0 });
    const layout = traceLayout(SHAPE, expertBytes);
    expect(layout.classes.map(({ layers: of, expertBytes: each }) => [of, each])).toEqual([
      [[1, 2], BYTES],
      [[3, 4], 2 * BYTES],
    ]);
    expect(layout.residentSlot(3, 1)).toBe(25);
    expect(() => layout.classOfLayer(0)).toThrow(RangeError);
  });

  it("asks for what it cannot do without", () => {
    expect(() => replayStrategy(trace, STRATEGIES.static, MACHINE)).toThrow(/needs popularity/);
    const bare = smallTrace({ shape: SHAPE, isBare: true });
    expect(() => replayStrategy(bare, STRATEGIES.fate, MACHINE)).toThrow(/ahead depth of 1/);
    const poor = { ...MACHINE, budgetBytes: BYTES };
    expect(() => replayStrategy(trace, STRATEGIES.lru, poor)).toThrow(/budget/);
  });
});

describe("knowledge from a trace", () => {
  it("counts what it used, sequence by sequence", () => {
    const trace = smallTrace({ tokens: 12 });
    const { popularity, activationMatrices, tokenCount } = calibrationFromTrace(trace);
    expect(tokenCount).toBe(12);
    expect(activationMatrices).toHaveLength(3);
    const uses = new Float64Array(24);
    trace.experts.forEach((expert, i) => {
      const key = (1 + (Math.floor(i / 2) % 3)) * 6 + expert;
      uses[key] = (uses[key] ?? 0) + 1;
    });
    expect([...popularity]).toEqual([...uses]);
  });
});

describe("a published cell", () => {
  it.each(PUBLISHED_CELLS.map((cell) => [`${cell.model} on ${cell.machine}`, cell] as const))(
    "of %s computes at the speed it was derived from, and loads on demand by its link",
    (_name, cell) => {
      const { times, expertBytes, link, assumptions } = publishedMachine(cell);
      const shape = MODEL_SHAPES[cell.model].routing;
      const trace = smallTrace({ shape, tokens: 4, isBare: true });
      const budgetBytes = shape.moeLayers.length * shape.expertCount * expertBytes;
      const machine = { budgetBytes, expertBytes: () => expertBytes, link, times };
      const [resident, onDemand] = [0, 1].map((load) => {
        const missing = load * shape.moeLayers.length * shape.expertUsedCount;
        const transferMs = link.latencyUs / 1e3 + expertBytes / (link.bandwidthMBps * 1e3);
        return 1e3 / (shape.layerCount * cell.layerMs.value + missing * transferMs);
      });
      expect(resident).toBeCloseTo(cell.reported.fate?.value ?? 0, 9);
      const found = replayStrategy(trace, STRATEGIES["load-on-demand"], machine);
      expect(found.tokensPerSecond).toBeCloseTo(onDemand ?? 0, 9);
      expect(assumptions.some((text) => text.startsWith("assumption"))).toBe(true);
    },
  );
});
