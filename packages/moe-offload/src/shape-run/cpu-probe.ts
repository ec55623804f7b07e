import { GgmlLibrary } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { median } from "@fmlab/stats";
import { CpuExperts } from "../engine/device/cpu-experts.ts";
import type { CpuTimes } from "../offload/miss-costs.ts";
import { HeldPlaces } from "../tiers/held-places.ts";
import type { ShapeBench } from "./shape-job.ts";

/** What experts are timed on: those of a model that lie in host memory. */
export type CpuProbeBench = Pick<ShapeBench, "hostTier" | "layout" | "nowMs"> & {
  readonly job: Pick<ShapeBench["job"], "seed">;
};

/** Times that a median is taken of, and those before that are not counted. */
const ROUNDS = 48;
const WARMUP = 8;

/**
 * How long the CPU takes for experts that lie anywhere in host memory, so that caches seldom hold
 * them: with input and outputs handed over, and the threads woken, as in a token. A line through
 * the medians of one expert and of as many as a token uses.
 *
 * @param threads  that compute, the calling one included
 */
export function measureCpu(bench: CpuProbeBench, threads: number): CpuTimes {
  const { layout } = bench;
  const used = layout.expertUsedCount;
  const experts = new CpuExperts(GgmlLibrary.load(), layout.classes, used, threads);
  try {
    const probe = probeOf(bench, experts);
    const oneMs: number[] = [];
    const allMs: number[] = [];
    for (let round = -WARMUP; round < ROUNDS; round++) {
      const [one, all] = [probe(1), probe(used)];
      if (round < 0) continue;
      oneMs.push(one);
      allMs.push(all);
    }
    return lineThrough(median(oneMs), median(allMs), used);
  } finally {
    experts.close();
  }
}

/** Where more experts took no longer than one, all time is theirs: nothing is known of layers. */
function lineThrough(oneMs: number, allMs: number, used: number): CpuTimes {
  if (used === 1 || allMs <= oneMs) return { expertMs: allMs / used, layerMs: 0 };
  const expertMs = (allMs - oneMs) / (used - 1);
  return { expertMs, layerMs: Math.max(0, oneMs - expertMs) };
}

/** Computes so many experts of some layer; ms. */
function probeOf(bench: CpuProbeBench, experts: CpuExperts): (count: number) => number {
  const { hostTier, job, layout, nowMs } = bench;
  const prng = createPrng(job.seed, "cpu-probe");
  const places = new HeldPlaces(hostTier.plan);
  const addresses = new BigInt64Array(layout.expertUsedCount);
  const input = new Float32Array(layout.classes[0]?.parts[0]?.columns ?? 0).fill(0.1);
  return (count) => {
    const layer = layout.moeLayers[prng.nextInt(layout.moeLayers.length)] ?? 0;
    const startMs = nowMs();
    for (let i = 0; i < count; i++) {
      addresses[i] = places.hold(layer * layout.expertCount + prng.nextInt(layout.expertCount));
    }
    const classIndex = layout.classOfLayer(layer).index;
    experts.compute({ classIndex, count, addresses, input });
    places.release();
    return nowMs() - startMs;
  };
}
