import { assert } from "@fmlab/experiment";
import { MoeError } from "../errors.ts";
import type { CpuExpertOptions } from "../offload/cpu-experts.ts";
import { STRATEGIES, type Strategy } from "../offload/strategies.ts";
import { CANDIDATES, type PlanCandidate } from "../planner/candidates.ts";
import { uniformTimes } from "../replay/compute-times.ts";
import { type ReplayMachine, replayStrategy } from "../replay/strategy-replay.ts";
import { waysOf } from "./cell-cpu.ts";
import { EXPERT_SHARE } from "./pace.ts";
import type { MeasuredMachine } from "./shape-cell.ts";
import type { ShapeBench } from "./shape-job.ts";

/** What of a bench plans are made of. */
export type PlanningBench = Pick<ShapeBench, "calibration" | "layout" | "planning"> & {
  readonly job: Pick<ShapeBench["job"], "cpuExperts" | "device" | "warmupTokens">;
};

/** A strategy that a plan has chosen. */
export interface PlannedStrategy {
  readonly title: string;
  readonly strategy: Strategy;
  /** How the CPU computes missed experts; undefined: it does not. */
  readonly cpuExperts: CpuExpertOptions | undefined;
  /** Tokens/s that the replay says. */
  readonly predicted: number;
}

/** The head's time in layers. */
const HEAD_LAYERS = 1;

const cacheOf = (title: string, strategy: Strategy): PlanCandidate => ({
  name: title,
  title,
  strategy,
  sizing: "policy",
});
const GATED = {
  predictor: "cross-layer",
  prefetch: { control: "adaptive", width: 4, depth: 1 },
} as const;

const CORRECTED = { ...GATED, predictor: "corrected-gate" } as const;

/** Beside those of every plan: caches with prefetching by the cross-layer gate where it pays. */
const MORE: readonly PlanCandidate[] = [
  cacheOf("Reuse score, two layers ahead", {
    ...STRATEGIES.ours,
    prefetch: { control: "adaptive", width: 4, depth: 2 },
  }),
  cacheOf("Reuse score, wide prefetch", {
    ...STRATEGIES.ours,
    prefetch: { control: "adaptive", width: 8, depth: 1 },
  }),
  cacheOf("LRU, cross-layer gate", { ...STRATEGIES.lru, ...GATED, readyFirst: true }),
  cacheOf("LRU, corrected gate", { ...STRATEGIES.lru, ...CORRECTED, readyFirst: true }),
  cacheOf("Fate's cache, prefetch that pays", { ...STRATEGIES.fate, ...GATED }),
  cacheOf("Fate's cache, corrected gate", { ...STRATEGIES.fate, ...CORRECTED }),
];

/**
 * The strategy that a replay in virtual time says is the fastest here: on texts that nothing was
 * learned from, with the times measured of this machine.
 *
 * @throws MoeError `BUDGET_TOO_SMALL` when there are too few slots for any
 */
export function planCell(
  bench: PlanningBench,
  slots: number,
  machine: MeasuredMachine,
): PlannedStrategy {
  const { calibration, layout, planning } = bench;
  const replayed = replayMachine(bench, slots, machine);
  let best: PlannedStrategy | undefined;
  for (const { sizing, strategy, title } of [...CANDIDATES, ...MORE]) {
    if (sizing === "curves") continue;
    // A card waits for all experts of a layer before it computes any.
    const played = bench.job.device === "cpu" ? strategy : { ...strategy, readyFirst: false };
    for (const cpuExperts of waysOf(bench.job.cpuExperts, true)) {
      const told = cpuExperts ? replayBesideCpu(bench, slots, machine, cpuExperts) : replayed;
      const predicted = speedOf(() => replayStrategy(planning, played, told, calibration));
      if (predicted > (best?.predicted ?? 0)) best = { title, strategy, cpuExperts, predicted };
    }
  }
  if (best) return best;
  throw new MoeError(`no strategy runs with ${slots} slots; give it more.`, {
    code: "BUDGET_TOO_SMALL",
    policy: "planned",
    budgetBytes: replayed.budgetBytes,
    neededBytes: replayed.budgetBytes + layout.expertBytes,
  });
}

/** The machine as it was measured, with so many slots, for replays in virtual time. */
export function replayMachine(
  { job, layout, planning }: PlanningBench,
  slots: number,
  machine: MeasuredMachine,
): ReplayMachine {
  const layerMs = machine.computeMs / (layout.layerCount + HEAD_LAYERS);
  return {
    budgetBytes: slots * layout.expertBytes,
    expertBytes: () => layout.expertBytes,
    link: { bandwidthMBps: machine.linkMBps, latencyUs: 0, queueDepth: 1 },
    times: uniformTimes(planning.shape, {
      attentionMs: (1 - EXPERT_SHARE) * layerMs,
      expertMs: (EXPERT_SHARE * layerMs) / layout.expertUsedCount,
      headMs: HEAD_LAYERS * layerMs,
      denseMs: layerMs,
    }),
    warmupTokens: job.warmupTokens,
  };
}

/** The same where the CPU computes missed experts, with what that adds to every layer. */
function replayBesideCpu(
  bench: PlanningBench,
  slots: number,
  machine: MeasuredMachine,
  { choice }: CpuExpertOptions,
): ReplayMachine {
  assert(machine.cpu !== undefined, "experts on the CPU are measured before they are planned");
  const { computeMs, expertMs, layerMs } = machine.cpu;
  const told = replayMachine(bench, slots, { ...machine, computeMs });
  return { ...told, cpuExperts: { choice, expertMs, layerMs } };
}

/** Tokens/s of a replay; 0 for a strategy that needs more memory. */
function speedOf(replay: () => { tokensPerSecond: number }): number {
  try {
    return replay().tokensPerSecond;
  } catch (error) {
    if (error instanceof MoeError && error.code === "BUDGET_TOO_SMALL") return 0;
    throw error;
  }
}
