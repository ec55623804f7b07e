import type { ReplayConfig } from "../definitions/replay.ts";
import { MoeError } from "../errors.ts";
import { STRATEGIES, type Strategy, type StrategyName } from "../offload/strategies.ts";
import { hitRateOf, type PlanSetup, predictBest, replayMachine } from "../planner/predict.ts";
import { POLICIES } from "../policies/registry.ts";
import type { ReplayResult } from "../replay/replay-result.ts";
import { replayStrategy } from "../replay/strategy-replay.ts";
import type { LinkOptions } from "../tiers/link-schedule.ts";
import type { Trace } from "../traces/trace.ts";
import { openReplaySetting, type ReplaySetting } from "./replay-setting.ts";
import type { JobHost, ReplayJob } from "./thread-messages.ts";

/** One strategy in one memory over one link. */
export interface ReplayCell {
  /** Number of the cell, from 0. */
  readonly index: number;
  readonly strategy: string;
  readonly policy: string;
  readonly predictor: string;
  /** Knows the future: not to be compared with what could run. */
  readonly isOracle: boolean;
  readonly budgetBytes: number;
  readonly link: LinkOptions;
  /** Undefined where the strategy cannot run here; `problem` says why. */
  readonly found: CellNumbers | undefined;
  readonly problem: string | undefined;
  /** Belady with perfect prefetch; undefined where the memory is too small for it. */
  readonly beladyTokensPerSecond: number | undefined;
}

/** What one cell gave, per token where nothing else is said. */
export interface CellNumbers {
  readonly tokensPerSecond: number;
  readonly hitRate: number;
  readonly lateHitRate: number;
  /** Share of chosen experts that the CPU computed. */
  readonly cpuRate: number;
  readonly hitRateByLayer: readonly number[];
  readonly totalMs: number;
  readonly computeMs: number;
  readonly stallMs: number;
  /** Part of the stall in which demanded bytes were on the wire; the rest is delay and queueing. */
  readonly wireMs: number;
  readonly linkBusyMs: number;
  readonly bytes: number;
  readonly wastedBytes: number;
  readonly boundTokensPerSecond: number;
}

/** All cells, and what they stand on. */
export interface ReplayRunResult {
  readonly model: { readonly name: string; readonly allExpertBytes: number };
  readonly moeLayers: readonly number[];
  readonly tokenCount: number;
  readonly warmupTokens: number;
  readonly learnedTokens: number;
  readonly isSimulatedRouting: boolean;
  readonly machine: string;
  readonly assumptions: ReplaySetting["assumptions"];
  readonly cells: readonly ReplayCell[];
  /** How often each expert was chosen, `[layer with experts][expert]`. */
  readonly uses: readonly (readonly number[])[];
}

/** A cell that has just been replayed. */
export interface CellMessage {
  readonly cell: ReplayCell;
  readonly total: number;
}

/**
 * Replays every cell of a config.
 *
 * @throws MoeError for a model, trace or setting that does not do; ExperimentError `CANCELLED`
 */
export function runReplayJob(job: ReplayJob, host: JobHost): ReplayRunResult {
  const setting = openReplaySetting(job, host);
  const { machine, model, workload } = setting;
  const strategies = strategiesOf(job.config);
  if (strategies.size === 0) {
    throw nothingToDo("strategies", "at least one strategy, or policies");
  }
  const budgets = budgetsOf(job.config, model.allExpertBytes);
  if (budgets.length === 0) throw nothingToDo("budgetsPercent", "at least one memory");
  const total = setting.links.length * budgets.length * strategies.size;
  const cells: ReplayCell[] = [];
  for (const link of setting.links) {
    const setup: PlanSetup = { model, workload, machine: { ...machine, link } };
    for (const budgetBytes of budgets) {
      host.throwIfCancelled();
      const best = predictBest(setup, budgetBytes)?.tokensPerSecond;
      for (const [name, strategy] of strategies) {
        host.throwIfCancelled();
        host.progress(cells.length, total, `${name}, ${Math.round(budgetBytes / 2 ** 20)} MiB`);
        const cell = replayCell(setup, { name, strategy, budgetBytes, best, index: cells.length });
        cells.push(cell);
        host.partial({ cell, total } satisfies CellMessage);
      }
    }
  }
  return {
    model: { name: model.name, allExpertBytes: model.allExpertBytes },
    moeLayers: model.shape.moeLayers,
    tokenCount: workload.trace.tokenCount - workload.warmupTokens,
    warmupTokens: workload.warmupTokens,
    learnedTokens: workload.calibration.tokenCount,
    isSimulatedRouting: workload.trace.provenance.isSimulated,
    machine: machine.title,
    assumptions: setting.assumptions,
    cells,
    uses: usesOf(workload.trace),
  };
}

function replayCell(
  setup: PlanSetup,
  cell: {
    name: string;
    strategy: Strategy;
    budgetBytes: number;
    best: number | undefined;
    index: number;
  },
): ReplayCell {
  const { budgetBytes, best, index, name, strategy } = cell;
  const { calibration, trace } = setup.workload;
  const { policy, predictor } = strategy;
  const facts = {
    index,
    strategy: name,
    policy,
    predictor,
    isOracle: POLICIES[policy].needs?.includes("future") ?? false,
    budgetBytes,
    link: setup.machine.link,
    beladyTokensPerSecond: best,
  };
  try {
    const machine = replayMachine(setup, budgetBytes);
    const result = replayStrategy(trace, strategy, machine, calibration);
    return { ...facts, found: numbersOf(result, setup.machine.link), problem: undefined };
  } catch (error) {
    // These say that one strategy does not fit here; the others may.
    const codes = ["BUDGET_TOO_SMALL", "BAD_TRACE", "NOT_CALIBRATED"];
    if (!(error instanceof MoeError) || !codes.includes(error.code)) throw error;
    return { ...facts, found: undefined, problem: error.message };
  }
}

function numbersOf(result: ReplayResult, link: LinkOptions): CellNumbers {
  const { bound, bytes, counts, layers, linkBusyMs, tokenCount, tokenTime } = result;
  const perToken = (sum: number) => sum / Math.max(1, tokenCount);
  const { bandwidthMBps } = link;
  const demandedMs = bandwidthMBps > 0 ? perToken(bytes.demanded) / (bandwidthMBps * 1e3) : 0;
  return {
    tokensPerSecond: result.tokensPerSecond,
    hitRate: hitRateOf(result),
    lateHitRate: counts.uses === 0 ? 0 : counts.lateHits / counts.uses,
    cpuRate: counts.uses === 0 ? 0 : counts.cpuComputed / counts.uses,
    hitRateByLayer: layers.map(({ hits, lateHits, uses }) =>
      uses === 0 ? 0 : (hits + lateHits) / uses,
    ),
    totalMs: tokenTime.totalMs,
    computeMs: tokenTime.computeMs + tokenTime.overheadMs,
    stallMs: tokenTime.stallMs,
    wireMs: Math.min(tokenTime.stallMs, demandedMs),
    linkBusyMs: perToken(linkBusyMs),
    bytes: perToken(bytes.demanded + bytes.prefetched),
    wastedBytes: perToken(bytes.wasted),
    boundTokensPerSecond: bound.tokensPerSecond,
  };
}

/** Strategies by name, then every policy with every predictor as `policy/predictor`. */
export function strategiesOf(config: ReplayConfig): Map<string, Strategy> {
  const { policies, predictors, prefetch, readyFirst } = config;
  const all = new Map<string, Strategy>();
  for (const name of config.strategies) all.set(name, STRATEGIES[name as StrategyName]);
  const off = { control: "off", width: 0, depth: 1 } as const;
  for (const policy of policies) {
    for (const predictor of predictors.length > 0 ? predictors : (["none"] as const)) {
      const isOff = predictor === "none";
      all.set(`${policy}/${predictor}`, {
        policy,
        predictor,
        prefetch: isOff ? off : prefetch,
        readyFirst,
      });
    }
  }
  return all;
}

function budgetsOf({ budgetsMiB, budgetsPercent }: ReplayConfig, allBytes: number): number[] {
  const shares = budgetsPercent.map((percent) => Math.floor((allBytes * percent) / 100));
  const sizes = budgetsMiB.map((count) => Math.floor(count * 2 ** 20));
  return [...new Set([...shares, ...sizes])].sort((a, b) => a - b);
}

function usesOf({ experts, shape }: Trace): number[][] {
  const { expertCount, expertUsedCount: used, moeLayers } = shape;
  const uses = moeLayers.map(() => new Array<number>(expertCount).fill(0));
  experts.forEach((expert, i) => {
    const row = uses[Math.floor(i / used) % moeLayers.length];
    if (row) row[expert] = (row[expert] ?? 0) + 1;
  });
  return uses;
}

function nothingToDo(setting: string, expected: string): MoeError {
  return new MoeError(`there is nothing to replay: give ${expected} in ${setting}.`, {
    code: "BAD_SETTING",
    setting,
    value: 0,
    expected,
  });
}
