import type { PlanConfig } from "../definitions/plan.ts";
import { type GroupMode, planGroupMode } from "../planner/group-mode.ts";
import { type LayerPlacement, placeLayer } from "../planner/placement.ts";
import { leastBytes, type MemoryPoint, type Plan, planMemories, speedOf } from "../planner/plan.ts";
import { largestExpert, transferMs } from "../planner/planner-machine.ts";
import { type PlanSetup, predict, setupFor } from "../planner/predict.ts";
import { withLink } from "../planner/sensitivity.ts";
import type { MissCurves } from "../policies/policy.ts";
import type { JobHost, PlanJob } from "../replay-run/thread-messages.ts";
import { openPlanSetting, type PlanFacts, type PlanSetting } from "./plan-setting.ts";

/** What would make the first plan faster. */
export interface Gain {
  readonly what: string;
  readonly tokensPerSecond: number;
}

/** One layer of the first plan. */
export interface LayerPlan {
  readonly layer: number;
  /** 0 where layers share their slots. */
  readonly slots: number;
  readonly equalSlots: number;
  readonly hitRate: number;
  /** Waiting in this layer, ms per token. */
  readonly exposedMs: number;
  /** Waiting for one expert that had to be demanded, ms. */
  readonly missMs: number;
  /** The most used experts, as many as have slots at the start. */
  readonly resident: readonly number[];
}

/** All plans of a run, as plain data. */
export interface PlanRunResult {
  readonly facts: PlanFacts;
  readonly machine: { readonly title: string; readonly assumptions: readonly string[] };
  readonly link: PlanSetup["machine"]["link"];
  readonly plans: readonly Plan[];
  readonly curve: readonly MemoryPoint[];
  readonly missCurves: MissCurves;
  readonly layers: readonly LayerPlan[];
  readonly placement: readonly LayerPlacement[];
  readonly gains: readonly Gain[];
  /** By plan; undefined where not even one batch fits. */
  readonly groups: readonly (GroupMode | undefined)[];
  /** Prefetch width by Fate's formula, `floor(layer time / expert transfer time)`. */
  readonly fate: { readonly layerMs: number; readonly transferMs: number; readonly width: number };
}

/** Numbers of tokens of a step for which experts are placed. */
export const TOKEN_COUNTS = [1, 2, 4, 8, 16, 32] as const;

/**
 * Makes a plan for every memory of a config.
 *
 * @throws MoeError for a model or a memory that does not do; ExperimentError `CANCELLED`
 */
export function runPlanJob(job: PlanJob, host: JobHost): PlanRunResult {
  const { config } = job;
  const setting = openPlanSetting(job, host);
  const { contextTokens, facts, setup } = setting;
  const { machine } = setup;
  const memoryBytes = memoriesOf(config, setup, contextTokens);
  const set = planMemories(setup, {
    memoryBytes,
    contextTokens,
    curvePoints: config.curvePoints,
    onStep(done, total, label) {
      host.throwIfCancelled();
      host.progress(done, total, label);
    },
  });
  const first = set.plans[0] as Plan;
  return {
    facts,
    machine: { title: machine.title, assumptions: machine.assumptions },
    link: machine.link,
    ...set,
    layers: layersOf(setup, first),
    placement: placementOf(setting, first),
    gains: gainsOf(setup, first, set.curve),
    groups: set.plans.map((plan) => groupOf(setting, config, plan)),
    fate: fateBudget(setup),
  };
}

function memoriesOf({ memoryMiB }: PlanConfig, { machine, model }: PlanSetup, context: number) {
  const kvBytes = context * model.kvBytesPerToken;
  const least = leastBytes(model);
  const card = (machine.fastMemoryBytes ?? 0) - model.dense.all;
  if (memoryMiB.length === 0 && card > kvBytes) return [card];
  const asked =
    memoryMiB.length > 0
      ? memoryMiB.map((count) => Math.floor(count * 2 ** 20))
      : [0.25, 0.5, 1].map((share) => kvBytes + Math.max(least, share * model.allExpertBytes));
  return [...new Set(asked.map(Math.ceil))].sort((a, b) => a - b);
}

function layersOf({ model, workload }: PlanSetup, { chosen, equal }: Plan): LayerPlan[] {
  const { moeLayers, expertCount } = model.shape;
  const { result, slots } = chosen.prediction;
  const isShared = slots.length !== moeLayers.length;
  return result.layers.map(({ demanded, hits, lateHits, layer, stallMs, uses }, place) => {
    const own = isShared ? 0 : (slots[place] ?? 0);
    const equally = equal?.slots.length === moeLayers.length ? equal.slots[place] : undefined;
    const ranked = rankByUse(workload.calibration.popularity, layer, expertCount);
    return {
      layer,
      slots: own,
      equalSlots: equally ?? own,
      hitRate: uses === 0 ? 1 : (hits + lateHits) / uses,
      exposedMs: stallMs / Math.max(1, result.tokenCount),
      missMs: demanded === 0 ? 0 : stallMs / demanded,
      resident: ranked.slice(0, own),
    };
  });
}

function rankByUse(uses: Float64Array, layer: number, expertCount: number): number[] {
  const base = layer * expertCount;
  return Array.from({ length: expertCount }, (_, expert) => expert).sort(
    (a, b) => (uses[base + b] ?? 0) - (uses[base + a] ?? 0) || a - b,
  );
}

function placementOf({ batch, setup }: PlanSetting, { chosen }: Plan): LayerPlacement[] {
  const { model, workload } = setup;
  const { expertCount, moeLayers } = model.shape;
  const { result, slots } = chosen.prediction;
  const isShared = slots.length !== moeLayers.length;
  const evenly = Math.floor((slots[0] ?? 0) / moeLayers.length);
  return moeLayers.map((layer, place) => {
    const sums = result.layers[place];
    const exposedMs = sums && sums.demanded > 0 ? sums.stallMs / sums.demanded : 0;
    const uses = workload.calibration.popularity.subarray(
      layer * expertCount,
      (layer + 1) * expertCount,
    );
    const own = isShared ? evenly : (slots[place] ?? 0);
    return placeLayer(layer, uses, own, TOKEN_COUNTS, {
      deviceMs: (tokens) => (batch.expertNs + (tokens - 1) * batch.expertRowNs) / 1e6,
      exposedMs,
    });
  });
}

/** More memory from the curve; links and delays by replays of the same strategy. */
function gainsOf(setup: PlanSetup, plan: Plan, curve: readonly MemoryPoint[]): Gain[] {
  const { candidate, curves, prediction } = plan.chosen;
  const { strategy } = candidate;
  const now = speedOf(plan.chosen);
  const own = setupFor(setup, candidate);
  const gains: Gain[] = [];
  for (const { best, budgetBytes } of curve) {
    if (best === undefined || budgetBytes <= plan.expertBudgetBytes) continue;
    const what = `${mebibytes(budgetBytes)} MiB for experts (${best.candidate.name})`;
    gains.push({ what, tokensPerSecond: speedOf(best) });
  }
  for (const bandwidth of [2, 4]) {
    const machine = withLink(own.machine, { bandwidth, latency: 1 });
    const found = predict({ ...setup, machine }, strategy, prediction.budgetBytes, curves);
    const tokensPerSecond = Math.max(now, found?.result.tokensPerSecond ?? now);
    gains.push({ what: `a link of ${bandwidth} times the bandwidth`, tokensPerSecond });
  }
  const { compute, latency } = plan.sensitivity;
  gains.push({ what: "half the delay of each transfer", tokensPerSecond: latency });
  gains.push({ what: "computing twice as fast", tokensPerSecond: compute });
  const what = "knowing the future: Belady with perfect prefetch, in the same memory";
  gains.push({ what, tokensPerSecond: plan.boundTokensPerSecond });
  return gains;
}

function groupOf(setting: PlanSetting, config: PlanConfig, plan: Plan): GroupMode | undefined {
  return planGroupMode(setting.setup, {
    ...setting.batch,
    sequences: config.sequences,
    sequencesPerBatch: config.sequencesPerBatch,
    contextTokens: plan.contextTokens,
    memoryBytes: plan.memoryBytes,
  });
}

/** @see Fate, arXiv 2502.12224: prefetch_k */
function fateBudget({ machine, model }: PlanSetup): PlanRunResult["fate"] {
  const { layers } = machine.times;
  const layerMs =
    layers.reduce((sum, one) => {
      const whole = one.wholeMs ?? one.sharedMs + (one.expertsMs.at(-1) ?? 0) + one.combineMs;
      return sum + one.attentionMs + whole;
    }, 0) / Math.max(1, layers.length);
  const expertMs = transferMs(machine.link, largestExpert(model));
  const most = model.shape.expertCount;
  const width = expertMs > 0 ? Math.min(most, Math.floor(layerMs / expertMs)) : most;
  return { layerMs, transferMs: expertMs, width };
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
