import { meanCi } from "@fmlab/stats";
import { MoeError } from "../errors.ts";
import { noughtBytes } from "../offload/cpu-experts.ts";
import { planExpertMemory } from "../offload/expert-memory.ts";
import type { Strategy } from "../offload/strategies.ts";
import type { MissCurves } from "../policies/policy.ts";
import { POLICIES } from "../policies/registry.ts";
import type { ReplayResult } from "../replay/replay-result.ts";
import {
  type ReplayMachine,
  replayBestPossible,
  replayStrategy,
} from "../replay/strategy-replay.ts";
import { traceLayout } from "../replay/trace-layout.ts";
import { firstTokens } from "../traces/trace.ts";
import type { PlanCandidate } from "./candidates.ts";
import type { PlannerMachine } from "./planner-machine.ts";
import type { PlannerModel } from "./planner-model.ts";
import type { Workload } from "./workload.ts";

/** Everything that predictions depend on beside the strategy and the memory. */
export interface PlanSetup {
  readonly model: PlannerModel;
  readonly machine: PlannerMachine;
  readonly workload: Workload;
}

/** What a replay says of one strategy with so much memory for experts. */
export interface Prediction {
  readonly budgetBytes: number;
  /** Bytes of all slots, staging included. */
  readonly usedBytes: number;
  /** Slots that keep experts, by layer with experts; one number where all share them. */
  readonly slots: readonly number[];
  readonly staging: number;
  readonly result: ReplayResult;
}

/**
 * Replays the workload under a strategy.
 *
 * @param missCurves  shares out the slots by what they are worth, for policies that look at it
 * @returns undefined when the memory is too small for the strategy
 * @throws MoeError as `replayStrategy`, but for `BUDGET_TOO_SMALL`
 */
export function predict(
  setup: PlanSetup,
  strategy: Strategy,
  budgetBytes: number,
  missCurves?: MissCurves,
): Prediction | undefined {
  const { trace, calibration } = setup.workload;
  const machine = replayMachine(setup, budgetBytes, missCurves);
  try {
    const result = replayStrategy(trace, strategy, machine, calibration);
    return { budgetBytes, ...slotsOf(setup, strategy, machine), result };
  } catch (error) {
    if (error instanceof MoeError && error.code === "BUDGET_TOO_SMALL") return undefined;
    throw error;
  }
}

/** The fastest that any strategy could be that copies what it misses: Belady, perfect prefetch. */
export function predictBest(setup: PlanSetup, budgetBytes: number): ReplayResult | undefined {
  try {
    const machine = { ...replayMachine(setup, budgetBytes), cpuExperts: undefined };
    return replayBestPossible(setup.workload.trace, machine);
  } catch (error) {
    if (error instanceof MoeError && error.code === "BUDGET_TOO_SMALL") return undefined;
    throw error;
  }
}

/** Chosen experts that were there or on their way, 0..1. */
export function hitRateOf({ counts }: ReplayResult): number {
  return counts.uses === 0 ? 0 : (counts.hits + counts.lateHits) / counts.uses;
}

/** Stretches of the text that an interval is made of. */
const STRETCHES = 6;

/**
 * 95 % interval of the speed over stretches of the text, from the times at which a replay reaches
 * the end of each. It says how much text decides, not how well compute times were measured.
 *
 * @returns tokens/s; the mean twice where the text is too short to be cut
 */
export function speedInterval(
  setup: PlanSetup,
  strategy: Strategy,
  budgetBytes: number,
  missCurves?: MissCurves,
): { low: number; high: number } {
  const { trace, calibration, warmupTokens } = setup.workload;
  const machine = { ...replayMachine(setup, budgetBytes, missCurves), warmupTokens: 0 };
  const reach = (tokens: number) =>
    replayStrategy(firstTokens(trace, tokens), strategy, machine, calibration).elapsedMs;
  const length = Math.floor((trace.tokenCount - warmupTokens) / STRETCHES);
  if (length < 4) {
    const whole = reach(trace.tokenCount);
    const speed = whole > 0 ? (trace.tokenCount * 1e3) / whole : 0;
    return { low: speed, high: speed };
  }
  const ends = Array.from({ length: STRETCHES + 1 }, (_, i) => warmupTokens + i * length);
  const times = ends.map((end) => (end === 0 ? 0 : reach(end)));
  const perToken = times.slice(1).map((ms, i) => (ms - (times[i] ?? 0)) / length);
  const { low, high } = meanCi(perToken);
  return { low: 1e3 / high, high: low > 0 ? 1e3 / low : Number.POSITIVE_INFINITY };
}

/** The setup that a candidate is replayed in: only some leave missed experts to the CPU. */
export function setupFor(setup: PlanSetup, { isBesideCpu }: PlanCandidate): PlanSetup {
  if (isBesideCpu || !setup.machine.cpuExperts) return setup;
  return { ...setup, machine: { ...setup.machine, cpuExperts: undefined } };
}

/** The machine with its memory, as the replayer wants it. */
export function replayMachine(
  { machine, model, workload }: PlanSetup,
  budgetBytes: number,
  missCurves?: MissCurves,
): ReplayMachine {
  const { cpuExperts, host, link, times } = machine;
  return {
    budgetBytes,
    cpuExperts,
    expertBytes: model.expertBytes,
    link,
    times,
    warmupTokens: workload.warmupTokens,
    ...(host && { host }),
    ...(missCurves && { missCurves }),
  };
}

function slotsOf({ model }: PlanSetup, strategy: Strategy, machine: ReplayMachine) {
  const { policy, predictor, prefetch } = strategy;
  const isPrefetching = prefetch.control !== "off" && predictor !== "none";
  const layout = traceLayout(model.shape, model.expertBytes);
  const { allocation, usedBytes } = planExpertMemory(layout, {
    budgetBytes: machine.budgetBytes,
    policy: POLICIES[policy],
    prefetchWidth: isPrefetching ? prefetch.width : 0,
    reservedBytes: machine.cpuExperts ? noughtBytes(layout) : 0,
    ...(machine.missCurves && { missCurves: machine.missCurves }),
  });
  const { isShared, slots, staging } = allocation;
  return {
    usedBytes,
    staging: staging * layout.classes.length,
    slots: isShared ? [...slots] : model.shape.moeLayers.map((layer) => slots[layer] ?? 0),
  };
}
