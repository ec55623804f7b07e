import { MoeError } from "../errors.ts";
import type { MissCurves } from "../policies/policy.ts";
import { besideCpu, CANDIDATES, type PlanCandidate, RESIDENT, SHORTLIST } from "./candidates.ts";
import { type ContextRow, slotsByContext } from "./context-slots.ts";
import { exposeCurves, measureMissCurves } from "./layer-curves.ts";
import type { PlannerModel } from "./planner-model.ts";
import {
  hitRateOf,
  type PlanSetup,
  type Prediction,
  predict,
  predictBest,
  setupFor,
  speedInterval,
} from "./predict.ts";
import {
  type Bottleneck,
  bottleneckOf,
  type Sensitivity,
  speedWhenDoubled,
} from "./sensitivity.ts";

/** One candidate with what is predicted of it. */
export interface PlanOption {
  readonly candidate: PlanCandidate;
  readonly prediction: Prediction;
  /** What its layers were sized by; undefined where the policy sizes them. */
  readonly curves: MissCurves | undefined;
}

/** How a model should run in so much memory, and what that is decided from. */
export interface Plan {
  /** For experts and KV cache together, and what of it the context takes. */
  readonly memoryBytes: number;
  readonly contextTokens: number;
  readonly kvBytes: number;
  /** What is left for experts; no more than all of them. */
  readonly expertBudgetBytes: number;
  readonly mode: "all-resident" | "cache" | "cache-prefetch";
  readonly chosen: PlanOption;
  /** 95 % interval of the chosen one's speed over stretches of the text, tokens/s. */
  readonly interval: { readonly low: number; readonly high: number };
  /** Belady with perfect prefetch. */
  readonly boundTokensPerSecond: number;
  readonly bottleneck: Bottleneck;
  readonly sensitivity: Sensitivity;
  /** Every candidate that fits, fastest first. */
  readonly options: readonly PlanOption[];
  /** Slots, hits and waiting when each layer had the same number of slots. */
  readonly equal: Prediction | undefined;
  readonly contexts: readonly ContextRow[];
}

/** A point of the curve of speed over memory. */
export interface MemoryPoint {
  readonly budgetBytes: number;
  /** By candidate of the shortlist; undefined where it does not fit. */
  readonly speeds: ReadonlyMap<string, number | undefined>;
  /** The fastest plan that fits in at most this memory. */
  readonly best: PlanOption | undefined;
  readonly boundTokensPerSecond: number | undefined;
}

/** What is planned. */
export interface PlanRequest {
  /** For experts and KV cache together; ascending. */
  readonly memoryBytes: readonly number[];
  readonly contextTokens: number;
  /** Points of the curve between nothing and all experts. */
  readonly curvePoints: number;
  readonly onStep?: (done: number, total: number, label: string) => void;
}

/** Plans for all memories asked for, and the curve they lie on. */
export interface PlanSet {
  readonly plans: readonly Plan[];
  readonly curve: readonly MemoryPoint[];
  readonly missCurves: MissCurves;
}

/**
 * Plans how a model should run on a machine: replays candidates on the workload and takes the
 * fastest. More memory is never predicted slower within one set of plans, since a plan may leave
 * memory unused: each point of the curve takes over what is faster at a smaller one.
 *
 * @throws MoeError `BUDGET_TOO_SMALL` when no candidate fits in a memory asked for
 */
export function planMemories(setup: PlanSetup, request: PlanRequest): PlanSet {
  const { model } = setup;
  const { contextTokens, curvePoints, memoryBytes } = request;
  const kvBytes = contextTokens * model.kvBytesPerToken;
  const asked = memoryBytes.map((bytes) => {
    const left = Math.min(bytes - kvBytes, model.allExpertBytes);
    if (left <= 0) throw noRoom(bytes, kvBytes, contextTokens);
    return left;
  });
  const rungs = Array.from({ length: curvePoints }, (_, i) =>
    Math.floor(((i + 1) * model.allExpertBytes) / curvePoints),
  );
  const budgets = [...new Set([...rungs, ...asked])].sort((a, b) => a - b);
  const missCurves = measureMissCurves(setup);
  const curve: MemoryPoint[] = [];
  const found = new Map<number, PlanOption[]>();
  for (const budget of budgets) {
    const what = `${(budget / 2 ** 20).toFixed(1)} MiB for experts`;
    request.onStep?.(curve.length, budgets.length + memoryBytes.length, what);
    const options = evaluate(setup, budget, missCurves, asked.includes(budget));
    found.set(budget, options);
    curve.push(pointOf(setup, budget, options, curve.at(-1)?.best));
  }
  const plans = memoryBytes.map((bytes, i): Plan => {
    request.onStep?.(budgets.length + i, budgets.length + memoryBytes.length, "explaining");
    const budget = asked[i] ?? 0;
    const point = curve.find((one) => one.budgetBytes === budget);
    const options = found.get(budget) ?? [];
    const memory = { memoryBytes: bytes, contextTokens, kvBytes, expertBudgetBytes: budget };
    return explain(setup, memory, { point, options, missCurves });
  });
  return { plans, curve, missCurves };
}

/** Predictions of candidates that fit, fastest first; of equals the one named first. */
function evaluate(
  setup: PlanSetup,
  budget: number,
  missCurves: MissCurves,
  isWhole: boolean,
): PlanOption[] {
  const options: PlanOption[] = [];
  const add = (candidate: PlanCandidate, curves?: MissCurves) => {
    const prediction = predict(setupFor(setup, candidate), candidate.strategy, budget, curves);
    if (prediction) options.push({ candidate, prediction, curves });
  };
  if (budget >= setup.model.allExpertBytes) add(RESIDENT);
  else {
    const copying = CANDIDATES.filter(({ name }) => isWhole || SHORTLIST.includes(name));
    const tried = setup.machine.cpuExperts ? [...copying, ...copying.map(besideCpu)] : copying;
    for (const candidate of tried) if (candidate.sizing === "policy") add(candidate);
    const equal = options.find(({ candidate }) => candidate.name === "ours-no-prefetch");
    const curves = equal && exposeCurves(missCurves, equal.prediction);
    for (const candidate of tried) if (candidate.sizing === "curves") add(candidate, curves);
  }
  return options.sort((a, b) => comparable(speedOf(b)) - comparable(speedOf(a)));
}

function pointOf(
  setup: PlanSetup,
  budgetBytes: number,
  options: readonly PlanOption[],
  smaller: PlanOption | undefined,
): MemoryPoint {
  const own = options[0];
  const isSmallerFaster =
    smaller && (!own || comparable(speedOf(smaller)) > comparable(speedOf(own)));
  return {
    budgetBytes,
    speeds: new Map(options.map((one) => [one.candidate.name, speedOf(one)])),
    best: isSmallerFaster ? smaller : own,
    boundTokensPerSecond: predictBest(setup, budgetBytes)?.tokensPerSecond,
  };
}

function explain(
  setup: PlanSetup,
  memory: Pick<Plan, "memoryBytes" | "contextTokens" | "kvBytes" | "expertBudgetBytes">,
  found: {
    point: MemoryPoint | undefined;
    options: readonly PlanOption[];
    missCurves: MissCurves;
  },
): Plan {
  const { options, point } = found;
  const chosen = point?.best;
  if (!chosen) throw tooSmall(memory.expertBudgetBytes, leastBytes(setup.model));
  const { candidate, curves, prediction } = chosen;
  const { strategy } = candidate;
  const { budgetBytes } = prediction;
  const now = speedOf(chosen);
  const own = setupFor(setup, candidate);
  const sensitivity = speedWhenDoubled(own, strategy, budgetBytes, now, curves);
  return {
    ...memory,
    mode: modeOf(chosen),
    chosen,
    interval: speedInterval(own, strategy, budgetBytes, curves),
    boundTokensPerSecond: Math.max(now, point?.boundTokensPerSecond ?? 0),
    sensitivity,
    bottleneck: bottleneckOf(sensitivity),
    options,
    equal: options.find((one) => one.candidate.name === "ours-no-prefetch")?.prediction,
    contexts: slotsByContext(own, candidate, memory.memoryBytes, curves),
  };
}

/** A speed without the last digits, in which sums of equal times differ. */
function comparable(speed: number): number {
  return Number(speed.toPrecision(9));
}

/** Memory without which nothing runs: the experts of one token, of each size that layers have. */
export function leastBytes({ expertBytes, shape }: PlannerModel): number {
  const sizes = new Set(shape.moeLayers.map(expertBytes));
  return [...sizes].reduce((sum, bytes) => sum + shape.expertUsedCount * bytes, 0);
}

/** Predicted tokens/s. */
export function speedOf({ prediction }: PlanOption): number {
  return prediction.result.tokensPerSecond;
}

/** Hits, late ones included, 0..1. */
export function hitRate({ prediction }: PlanOption): number {
  return hitRateOf(prediction.result);
}

function modeOf({ candidate }: PlanOption): Plan["mode"] {
  if (candidate.name === RESIDENT.name) return "all-resident";
  return candidate.strategy.prefetch.control === "off" ? "cache" : "cache-prefetch";
}

function noRoom(memoryBytes: number, kvBytes: number, contextTokens: number): MoeError {
  return new MoeError(
    `a context of ${contextTokens} tokens needs ${mebibytes(kvBytes)} MiB of KV cache, which leaves ` +
      `nothing of ${mebibytes(memoryBytes)} MiB for experts. Raise memoryMiB or lower contextTokens.`,
    { code: "BUDGET_TOO_SMALL", policy: "any", budgetBytes: memoryBytes, neededBytes: kvBytes + 1 },
  );
}

function tooSmall(budgetBytes: number, neededBytes: number): MoeError {
  return new MoeError(
    `${mebibytes(budgetBytes)} MiB for experts are too few for any policy: not even the experts of ` +
      `one token fit, which need ${mebibytes(neededBytes)} MiB beside the KV cache. Raise memoryMiB.`,
    { code: "BUDGET_TOO_SMALL", policy: "any", budgetBytes, neededBytes },
  );
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
