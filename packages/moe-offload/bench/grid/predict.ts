import type { Calibration } from "../../src/calibration/calibration.ts";
import { createControl } from "../../src/offload/prefetch-control.ts";
import type { Strategy } from "../../src/offload/strategies.ts";
import { POLICIES } from "../../src/policies/registry.ts";
import { PREDICTORS } from "../../src/predictors/registry.ts";
import type { ComputeTimes } from "../../src/replay/compute-times.ts";
import { TraceFuture } from "../../src/replay/future.ts";
import { oraclePredictor } from "../../src/replay/oracle-predictor.ts";
import type { ReplayResult } from "../../src/replay/replay-result.ts";
import { replayTrace } from "../../src/replay/replayer.ts";
import type { Cell } from "./cell.ts";

/** What a replay needs beside the cell. */
export interface PredictModel {
  readonly calibration: Calibration;
  readonly times: ComputeTimes;
  readonly expertBytes: number;
  readonly slotsOfAll: number;
}

/**
 * Replays the cell's trace in virtual time.
 *
 * @param warmupTokens  tokens that are not counted; default: the first round, as in the real run
 */
export function predict(
  model: PredictModel,
  cell: Cell,
  strategy: Strategy,
  warmupTokens = cell.workload.rounds[0]?.length ?? 0,
): ReplayResult {
  const { trace } = cell.workload;
  const { calibration } = model;
  const { prefetch } = strategy;
  const policy = POLICIES[strategy.policy];
  const predictor = PREDICTORS[strategy.predictor];
  const isPrefetching = prefetch.control !== "off" && strategy.predictor !== "none";
  const isBelady = strategy.policy === "belady";
  return replayTrace(trace, {
    policy,
    knowledge: {
      popularity: calibration.popularity,
      reuseModel: calibration.reuseModel,
      activationMatrices: calibration.activationMatrices,
      ...(isBelady && { future: new TraceFuture(trace) }),
    },
    slotCount: Math.floor(model.slotsOfAll * cell.share),
    expertBytes: () => model.expertBytes,
    predictor: isBelady ? oraclePredictor(trace) : predictor.create({ ...calibration }),
    control: createControl(prefetch, trace.shape),
    depth: Math.min(prefetch.depth, predictor.depthMax),
    prefetchWidth: isPrefetching ? prefetch.width : 0,
    link: cell.link,
    times: model.times,
    readyFirst: strategy.readyFirst,
    warmupTokens,
  });
}

/** Belady's eviction with perfect prefetch: knows the whole trace. */
export function bestPossible(usedCount: number): Strategy {
  return {
    policy: "belady",
    predictor: "none",
    prefetch: { control: "fixed", width: usedCount, depth: 1 },
    readyFirst: true,
  };
}
