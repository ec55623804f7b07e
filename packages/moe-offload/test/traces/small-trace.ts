import { createPrng } from "@fmlab/sim";
import type { RoutingShape } from "../../src/offload/routing.ts";
import type { Trace } from "../../src/traces/trace.ts";

/** What a small random trace is to hold. */
export interface SmallTraceOptions {
  shape?: RoutingShape;
  tokens?: number;
  seed?: number;
  aheadDepth?: number;
  isBare?: boolean;
  /** Share of a token's experts that also the token before had, about. */
  reuse?: number;
}

export const SMALL_SHAPE: RoutingShape = {
  layerCount: 4,
  expertCount: 6,
  expertUsedCount: 2,
  moeLayers: [1, 2, 3],
};

/** A random trace: chosen experts first in probability, every array filled. */
export function smallTrace(options: SmallTraceOptions = {}): Trace {
  const { shape = SMALL_SHAPE, tokens = 9, seed = 1, aheadDepth = 2, reuse = 0 } = options;
  const prng = createPrng(seed, "small-trace");
  const { expertCount, expertUsedCount, moeLayers } = shape;
  const all = Array.from({ length: expertCount }, (_, e) => e);
  const rows = tokens * moeLayers.length;
  const experts = new Uint16Array(rows * expertUsedCount);
  const probabilities = new Float32Array(rows * expertCount);
  for (let row = 0; row < rows; row++) {
    const before = (row - moeLayers.length) * expertUsedCount;
    const kept = before < 0 ? [] : [...experts.subarray(before, before + expertUsedCount)];
    const order = prng.shuffle(all);
    const chosen = [...kept.filter(() => prng.chance(reuse)), ...order];
    const distinct = [...new Set(chosen)];
    experts.set(distinct.slice(0, expertUsedCount), row * expertUsedCount);
    const total = (expertCount * (expertCount + 1)) / 2;
    distinct.forEach((e, rank) => {
      probabilities[row * expertCount + e] = (expertCount - rank) / total;
    });
  }
  const noise = (count: number) => Float32Array.from({ length: count }, () => prng.nextFloat());
  return {
    shape,
    tokenCount: tokens,
    positions: Uint32Array.from({ length: tokens }, (_, t) => t % 5),
    experts,
    aheadDepth: options.isBare ? 0 : aheadDepth,
    ...(!options.isBare && {
      probabilities,
      ahead: noise(rows * aheadDepth * expertCount),
      computeMs: noise(rows),
    }),
    provenance: {
      model: "none",
      text: "none",
      origin: "generated",
      isSimulated: true,
      seed,
      date: "2026-11-23",
    },
  };
}
