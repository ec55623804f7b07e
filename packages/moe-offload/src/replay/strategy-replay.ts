import type { Calibration } from "../calibration/calibration.ts";
import { MoeError } from "../errors.ts";
import { noughtBytes } from "../offload/cpu-experts.ts";
import { planExpertMemory } from "../offload/expert-memory.ts";
import { createControl, FixedPrefetch } from "../offload/prefetch-control.ts";
import type { Strategy } from "../offload/strategies.ts";
import { allocateEqually } from "../policies/allocation.ts";
import { belady } from "../policies/belady.ts";
import type { MissCurves, PolicyDefinition } from "../policies/policy.ts";
import { POLICIES } from "../policies/registry.ts";
import type { PredictorDefinition } from "../predictors/predictor.ts";
import { PREDICTORS } from "../predictors/registry.ts";
import type { LinkOptions } from "../tiers/link-schedule.ts";
import { badTrace, type Trace } from "../traces/trace.ts";
import type { ComputeTimes } from "./compute-times.ts";
import { TraceFuture } from "./future.ts";
import { oraclePredictor } from "./oracle-predictor.ts";
import type { ReplayResult } from "./replay-result.ts";
import { type PolicyKnowledge, type ReplayCpu, replayTrace } from "./replayer.ts";
import { traceLayout } from "./trace-layout.ts";
import type { HostTier } from "./virtual-lane.ts";

/** The machine and the budget of a replay, whatever the strategy. */
export interface ReplayMachine {
  /** Every byte of expert storage in fast memory, staging included. */
  readonly budgetBytes: number;
  /** By layer. */
  readonly expertBytes: (layer: number) => number;
  readonly link: LinkOptions;
  readonly host?: HostTier;
  readonly times: ComputeTimes;
  readonly missCurves?: MissCurves;
  /** The CPU computes missed experts beside a card; one slot of the budget is then no slot. */
  readonly cpuExperts?: ReplayCpu | undefined;
  /** First tokens that pass before anything is counted. */
  readonly warmupTokens?: number;
}

/**
 * Replays a trace under a strategy, put together as the engine does it (`OffloadedModel.open`).
 *
 * @param calibration  what policies and predictors know; some cannot do without
 * @throws MoeError `BUDGET_TOO_SMALL`, `NOT_CALIBRATED`, `BAD_SETTING`; `BAD_TRACE` when the
 *         predictor needs logits of later routers that the trace does not hold
 */
export function replayStrategy(
  trace: Trace,
  strategy: Strategy,
  machine: ReplayMachine,
  calibration?: Calibration,
): ReplayResult {
  const policy = POLICIES[strategy.policy];
  const predictor = PREDICTORS[strategy.predictor];
  const { prefetch, readyFirst } = strategy;
  const isPrefetching = prefetch.control !== "off" && strategy.predictor !== "none";
  const depth = Math.min(prefetch.depth, predictor.depthMax);
  const future = policy.needs?.includes("future") ? new TraceFuture(trace) : undefined;
  const knowledge = { ...calibration, ...(future && { future }), ...missCurvesOf(machine) };
  requireNeeds(`policy ${policy.name}`, policy, knowledge);
  if (isPrefetching) {
    requireNeeds(`predictor ${predictor.name}`, predictor, knowledge);
    requireAhead(trace, predictor, depth);
  }
  return replayWith(trace, machine, {
    policy,
    knowledge,
    prefetchWidth: isPrefetching ? prefetch.width : 0,
    readyFirst,
    ...(isPrefetching && {
      predictor: predictor.create({ ...calibration, shape: trace.shape }),
      control: createControl(prefetch, trace.shape),
      depth,
    }),
  });
}

/**
 * The bound of all strategies: Belady's eviction, every prefetch right, ready experts first.
 * Whether staging is worth its slots, and prefetching its staging, depends on the budget: the
 * fastest of the four ways counts.
 *
 * @throws MoeError `BUDGET_TOO_SMALL`, `BAD_SETTING`
 */
export function replayBestPossible(trace: Trace, machine: ReplayMachine): ReplayResult {
  const future = new TraceFuture(trace);
  const predictor = oraclePredictor(trace);
  const equally: PolicyDefinition = { ...belady, allocate: allocateEqually };
  const results = [belady, equally].flatMap((policy) =>
    [0, trace.shape.expertUsedCount].map((prefetchWidth) =>
      replayWith(trace, machine, {
        policy,
        knowledge: { future },
        predictor,
        control: new FixedPrefetch(prefetchWidth),
        depth: 1,
        prefetchWidth,
        readyFirst: true,
      }),
    ),
  );
  return results.reduce((best, one) => (one.elapsedMs < best.elapsedMs ? one : best));
}

/** The parts of a replay that a strategy decides. */
type StrategyParts = Pick<
  Parameters<typeof replayTrace>[1],
  "policy" | "knowledge" | "predictor" | "control" | "depth" | "prefetchWidth" | "readyFirst"
>;

function replayWith(trace: Trace, machine: ReplayMachine, parts: StrategyParts): ReplayResult {
  const { budgetBytes, cpuExperts, expertBytes, host, link, times, warmupTokens = 0 } = machine;
  const { shape } = trace;
  const layout = traceLayout(shape, expertBytes);
  const memory = planExpertMemory(layout, {
    budgetBytes,
    reservedBytes: cpuExperts ? noughtBytes(layout) : 0,
    policy: parts.policy,
    prefetchWidth: parts.prefetchWidth ?? 0,
    ...missCurvesOf(machine),
  });
  const slotCount = memory.plan.slotCount;
  const tier = { link, times, warmupTokens, cpuExperts, ...(host && { host }) };
  return replayTrace(trace, { ...parts, ...tier, expertBytes, memory, slotCount });
}

function missCurvesOf({ missCurves }: ReplayMachine): { missCurves?: MissCurves } {
  return missCurves ? { missCurves } : {};
}

function requireNeeds(
  who: string,
  { needs = [] }: PolicyDefinition | PredictorDefinition,
  knowledge: PolicyKnowledge & Partial<Calibration>,
): void {
  const need = needs.find((name) => knowledge[name] === undefined);
  if (need === undefined) return;
  throw new MoeError(
    `${who} needs ${need}, which a calibration gives: calibrate the model, or learn it from ` +
      "another trace with calibrationFromTrace.",
    { code: "NOT_CALIBRATED", who, need },
  );
}

function requireAhead(trace: Trace, predictor: PredictorDefinition, depth: number): void {
  const needed = Math.min(depth, predictor.aheadDepth);
  const held = trace.ahead === undefined ? 0 : trace.aheadDepth;
  if (held >= needed) return;
  throw badTrace(
    trace.provenance.model,
    `predictor ${predictor.name} looks at ${needed} later routers, the trace holds ${held}`,
    `Record or generate it with an ahead depth of ${needed}.`,
  );
}
