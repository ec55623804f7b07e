import { existsSync } from "node:fs";
import path from "node:path";
import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import type { RoutingShape } from "../../src/offload/routing.ts";
import { belady } from "../../src/policies/belady.ts";
import { TraceFuture } from "../../src/replay/future.ts";
import { countHits } from "../../src/replay/hits.ts";
import { lruMissCurves } from "../../src/replay/miss-curves.ts";
import { generateTrace } from "../../src/traces/generator.ts";
import { type GeneratorOptions, SHIPPED_MODEL_DIALS } from "../../src/traces/generator-options.ts";
import { expertBytes, MODEL_SHAPES } from "../../src/traces/model-shapes.ts";
import {
  logNormalPopularity,
  type PopularityTarget,
  popularityFromCounts,
} from "../../src/traces/popularity.ts";
import { readExpertCounts, readPopularityOrder } from "../../src/traces/routing-statistics.ts";
import { checkTrace, type Trace } from "../../src/traces/trace.ts";
import {
  describeTrace,
  relativeEntropy,
  totalVariation,
} from "../../src/traces/trace-statistics.ts";

const SHAPE: RoutingShape = {
  layerCount: 4,
  expertCount: 16,
  expertUsedCount: 2,
  moeLayers: [1, 2, 3],
};
const options = (change: Partial<GeneratorOptions> = {}): GeneratorOptions => ({
  model: "small",
  shape: SHAPE,
  tokenCount: 3000,
  seed: 1,
  date: "2026-11-23",
  popularity: logNormalPopularity(SHAPE, 0.5, ["a", "b"], createPrng(1)),
  sequenceTokens: 250,
  previousTokenReuse: 0.35,
  sequenceReuse: 0.2,
  crossLayerAccuracy: [0.4, 0.8],
  aheadDepth: 1,
  chosenMass: 0.6,
  hasProbabilities: true,
  ...change,
});
/** Only what the routers chose. */
const ids = { hasProbabilities: false, aheadDepth: 0 };
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const domainOf = (domain: number, domains: number) => (token: number) =>
  Math.floor(token / 250) % domains === domain;

describe("a generated trace", () => {
  it("is valid, says that it is simulated, and is the same for the same seed only", () => {
    const trace = generateTrace(options({ tokenCount: 500, aheadDepth: 3 }));
    expect(() => checkTrace(trace, "generated")).not.toThrow();
    expect(trace.provenance).toMatchObject({ origin: "generated", isSimulated: true, seed: 1 });
    const again = generateTrace(options({ tokenCount: 500, aheadDepth: 3 }));
    expect(Buffer.from(again.experts.buffer).equals(Buffer.from(trace.experts.buffer))).toBe(true);
    const other = generateTrace(options({ tokenCount: 500, aheadDepth: 3, seed: 2 }));
    expect(Buffer.from(other.experts.buffer).equals(Buffer.from(trace.experts.buffer))).toBe(false);
  });

  it("chooses the experts of highest probability, in their order", () => {
    const trace = generateTrace(options({ tokenCount: 100 }));
    for (let row = 0; row < 300; row++) {
      const all = [...(trace.probabilities?.subarray(row * 16, row * 16 + 16) ?? [])];
      const best = all.map((p, e) => [p, e] as const).sort(([p], [q]) => q - p);
      const chosen = [...trace.experts.subarray(row * 2, row * 2 + 2)];
      expect(chosen).toEqual(best.slice(0, 2).map(([, e]) => e));
    }
  });

  it("reaches what its dials say, over seeds", () => {
    const reached = [1, 2, 3].map((seed) => describeTrace(generateTrace(options({ seed }))));
    const over = (pick: (s: (typeof reached)[number]) => number) => mean(reached.map(pick));
    expect(Math.abs(over((s) => mean(s.previousTokenReuse)) - 0.35)).toBeLessThan(0.03);
    expect(Math.abs(over((s) => s.crossLayerAccuracy[0] ?? 0) - 0.4)).toBeLessThan(0.03);
    expect(Math.abs(over((s) => s.crossLayerAccuracy[1] ?? 0) - 0.8)).toBeLessThan(0.03);
    expect(Math.abs(over((s) => mean(s.chosenMass)) - 0.6)).toBeLessThan(0.05);
  });

  it("has the wanted popularity in each domain within 0.07 of total variation, over seeds", () => {
    for (const seed of [1, 2, 3]) {
      const popularity = logNormalPopularity(SHAPE, 1, ["a", "b"], createPrng(seed));
      const trace = generateTrace(options({ seed, popularity, tokenCount: 5000, ...ids }));
      popularity.forEach(({ shares }, domain) => {
        const found = describeTrace(trace, domainOf(domain, 2));
        found.shares.forEach((share, index) => {
          const wanted = shares[index] ?? new Float64Array(16);
          expect(totalVariation(share, wanted)).toBeLessThan(0.07);
          expect(Math.abs(relativeEntropy(share) - relativeEntropy(wanted))).toBeLessThan(0.03);
        });
      });
    }
  });

  it("reuses more and misses less the higher its locality dials are", () => {
    const misses = (change: Partial<GeneratorOptions>) => {
      const trace = generateTrace(options({ ...ids, ...change }));
      const curve = lruMissCurves(trace, 200).missesPerToken;
      return { reuse: mean(describeTrace(trace).previousTokenReuse), miss: curve[2]?.[4] ?? 0 };
    };
    const near = [0.25, 0.4, 0.6, 0.8].map((previousTokenReuse) => misses({ previousTokenReuse }));
    const far = [0.15, 0.25, 0.34].map((sequenceReuse) => misses({ sequenceReuse }));
    for (let i = 1; i < near.length; i++) {
      expect(near[i]?.reuse).toBeGreaterThan(near[i - 1]?.reuse ?? 1);
      expect(near[i]?.miss).toBeLessThan(near[i - 1]?.miss ?? 0);
    }
    for (let i = 1; i < far.length; i++) expect(far[i]?.miss).toBeLessThan(far[i - 1]?.miss ?? 0);
  });

  it("refuses dials out of range", () => {
    const changes: Partial<GeneratorOptions>[] = [
      { tokenCount: -1 },
      { sequenceTokens: 0 },
      { aheadDepth: 4 },
      { popularity: [] },
      { previousTokenReuse: 1.5 },
      { crossLayerAccuracy: [0.5, Number.NaN] },
    ];
    for (const change of changes) {
      expect(() => generateTrace(options(change))).toThrow(/expected/);
    }
  });
});

describe("a trace generated with the shipped model's dials", () => {
  /** LRU and Belady on 20,000 tokens of held-out prose at 8, 16 and 24 of 32 slots. */
  const REAL = [
    [8, 0.417, 0.611],
    [16, 0.658, 0.829],
    [24, 0.855, 0.944],
  ] as const;

  it("has its hit rates within 4 points", () => {
    const shape = { layerCount: 8, expertCount: 32, expertUsedCount: 4, moeLayers: [] as number[] };
    shape.moeLayers = Array.from({ length: 8 }, (_, layer) => layer);
    const trace: Trace = generateTrace({
      ...options({ shape, sequenceTokens: 500, ...ids }),
      ...SHIPPED_MODEL_DIALS,
      popularity: logNormalPopularity(shape, 0.4, ["prose"], createPrng(1)),
    });
    const curve = lruMissCurves(trace, 500).missesPerToken;
    const knowledge = { future: new TraceFuture(trace) };
    for (const [slots, lruRate, beladyRate] of REAL) {
      const lru = 1 - mean(curve.map((layer) => layer?.[slots] ?? 0)) / 4;
      expect(Math.abs(lru - lruRate)).toBeLessThan(0.04);
      const best = countHits(trace, { policy: belady, slotCount: 8 * slots, knowledge });
      expect(Math.abs(best.hitRate - beladyRate)).toBeLessThan(0.04);
    }
  });
});

describe("model shapes", () => {
  it("have the expert sizes of their published dimensions", () => {
    const megabytes = (name: keyof typeof MODEL_SHAPES, type: "F16" | "Q4_0") =>
      expertBytes(MODEL_SHAPES[name], type) / 1e6;
    expect(megabytes("mixtral-8x7b", "F16")).toBeCloseTo(352.3, 1);
    expect(megabytes("mixtral-8x7b", "Q4_0")).toBeCloseTo(99.1, 1);
    expect(megabytes("mixtral-8x22b", "Q4_0")).toBeCloseTo(169.9, 1);
    expect(megabytes("qwen1.5-moe-a2.7b", "Q4_0")).toBeCloseTo(4.87, 2);
    expect(megabytes("deepseek-moe-16b", "F16")).toBeCloseTo(17.3, 1);
    expect(megabytes("olmoe-1b-7b", "Q4_0")).toBeCloseTo(3.54, 2);
    expect(megabytes("qwen3-30b-a3b", "Q4_0")).toBeCloseTo(2.65, 2);
    expect(MODEL_SHAPES["deepseek-moe-16b"].routing.moeLayers[0]).toBe(1);
  });
});

const data = path.join(process.env.FMLAB_DATA_DIR ?? "", "moe-routing");
const hasData = process.env.FMLAB_DATA_DIR !== undefined && existsSync(data);
if (!hasData) process.stderr.write("skips the fit to published routing: set FMLAB_DATA_DIR\n");

describe.runIf(hasData)("a trace fitted to published counts", () => {
  const read = (model: string) => readExpertCounts(path.join(data, `${model}.expert_counts.json`));
  /** Largest total variation over domains and layers. */
  const worst = (trace: Trace, popularity: readonly PopularityTarget[]) => {
    const distances = popularity.flatMap(({ shares }, domain) =>
      describeTrace(trace, domainOf(domain, popularity.length)).shares.map((share, index) =>
        totalVariation(share, shares[index] ?? share),
      ),
    );
    return Math.max(...distances);
  };

  it("has Mixtral's popularity by domain and layer, and its order elsewhere", () => {
    const counts = read("mixtral-8x7b");
    const order = readPopularityOrder(path.join(data, "mixtral-8x7b.expert_popularity_order.json"));
    const shape = { ...MODEL_SHAPES["mixtral-8x7b"].routing, moeLayers: [0, 7, 15, 20] };
    const source = { counts, layerCount: 32, order };
    const popularity = popularityFromCounts(shape, source, createPrng(1));
    const ranked = order.order.filter(([layer]) => layer === 20).map(([, expert]) => expert);
    const total = (e: number) => popularity.reduce((sum, p) => sum + (p.shares[3]?.[e] ?? 0), 0);
    const totals = ranked.map(total);
    expect(totals).toEqual([...totals].sort((x, y) => y - x));
    for (const seed of [1, 2]) {
      const dials = { shape, popularity, seed, tokenCount: 5000, ...ids };
      expect(worst(generateTrace(options(dials)), popularity)).toBeLessThan(0.08);
    }
  });

  it("has OLMoE's popularity by domain in the layers that were counted", () => {
    const shape = { ...MODEL_SHAPES["olmoe-1b-7b"].routing, moeLayers: [0, 7, 15] };
    const source = { counts: read("olmoe-1b-7b-0924"), layerCount: 16 };
    const popularity = popularityFromCounts(shape, source, createPrng(1));
    expect(popularity.map(({ domain }) => domain)).toContain("tulu");
    const dials = { shape, popularity, tokenCount: 9000, ...ids };
    expect(worst(generateTrace(options(dials)), popularity)).toBeLessThan(0.09);
  });
});
