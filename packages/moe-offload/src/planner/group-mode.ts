import { MoeError } from "../errors.ts";
import { residentTokenMs } from "../replay/compute-times.ts";
import {
  type GroupPlan,
  type GroupPlanInput,
  planGroup,
  type StageTimes,
  sides,
} from "../throughput/group-plan.ts";
import { routingStatistics } from "../throughput/routing-statistics.ts";
import { transferMs } from "./planner-machine.ts";
import type { PlanSetup } from "./predict.ts";

/** Many texts at once. */
export interface GroupRequest {
  readonly sequencesPerBatch: number;
  /** Tokens that each sequence keeps in the KV cache at most. */
  readonly contextTokens: number;
  /** Memory of one batch: its KV cache and what is computed with. */
  readonly batchBytes: number;
  /** Texts that wait: more batches than they fill are of no use. */
  readonly sequences: number;
  readonly memoryBytes: number;
  /** Computing and moving one expert: its fixed part and what each row adds, measured. */
  readonly expertNs: number;
  readonly expertRowNs: number;
}

/** What groups of batches would reach. */
export interface GroupMode {
  readonly plan: GroupPlan;
  readonly hotCount: number;
  readonly sequencesPerBatch: number;
  /** All sequences together, if nothing beside the inequalities' sides took time. */
  readonly tokensPerSecondMax: number;
  /** Memory of the slots that a group streams experts through: two layers. */
  readonly slotBytes: number;
  /** Memory of all batches. */
  readonly batchBytes: number;
}

/**
 * Plans groups of batches that share every load of an expert (Klotski): the smallest number of
 * batches whose computing hides all transfers, from the same compute and link times as everything
 * else. One request at a time is the group of one.
 *
 * @returns undefined when not even one batch fits
 */
export function planGroupMode(setup: PlanSetup, request: GroupRequest): GroupMode | undefined {
  const { machine, model, workload } = setup;
  const { expertCount, expertUsedCount: used, moeLayers } = model.shape;
  const { sequencesPerBatch } = request;
  const hotCount = used;
  const statistics = routingStatistics(model.shape, workload.calibration.popularity, hotCount);
  const rowsPerBatch = sequencesPerBatch * used;
  const layerBytes = Math.max(...moeLayers.map(model.expertBytes)) * expertCount;
  // Weights that are read for one sequence serve the others of its batch too: an upper bound.
  const slotBytes = Math.min(2 * layerBytes, model.allExpertBytes);
  const input: GroupPlanInput = {
    times: stageTimes(setup, request),
    hotCount,
    rowsPerBatch,
    hotRowsPerBatch: Math.round(rowsPerBatch * statistics.hotShare),
    queued: (n) => Math.round(statistics.others(n * sequencesPerBatch)),
    fixedBytes: slotBytes,
    batchBytes: request.batchBytes,
    memoryBytes: request.memoryBytes,
    batchesMax: Math.max(1, Math.floor(request.sequences / sequencesPerBatch)),
  };
  let plan: GroupPlan;
  try {
    plan = planGroup(input);
  } catch (error) {
    if (error instanceof MoeError && error.code === "GROUP_TOO_LARGE") return undefined;
    throw error;
  }
  const { computeNs, transferNs } = sides(input, 7, plan.batches);
  const stepMs = (moeLayers.length * Math.max(computeNs, transferNs)) / 1e6 + restMs(setup);
  const tokens = plan.batches * sequencesPerBatch;
  return {
    plan,
    hotCount,
    sequencesPerBatch,
    tokensPerSecondMax: (tokens * 1e3) / (stepMs + (tokens - 1) * machine.times.headMs),
    slotBytes,
    batchBytes: plan.batches * request.batchBytes,
  };
}

function stageTimes({ machine, model }: PlanSetup, request: GroupRequest): StageTimes {
  const { layers } = machine.times;
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
  const { contextTokens, expertNs, expertRowNs, sequencesPerBatch } = request;
  const sequenceMs = mean(
    layers.map(
      (layer) => layer.attentionMs + layer.attentionMsPerPosition * contextTokens + layer.sharedMs,
    ),
  );
  const bytes = mean(model.shape.moeLayers.map(model.expertBytes));
  return {
    // Sequences attend one after the other; their router is part of it.
    attentionNs: Math.max(1, Math.round(sequencesPerBatch * sequenceMs * 1e6)),
    gateNs: 0,
    expertNs: Math.round(expertNs),
    expertRowNs: Math.round(expertRowNs),
    gateTransferNs: 0,
    expertTransferNs: Math.round(transferMs(machine.link, bytes) * 1e6),
    attentionTransferNs: 0,
  };
}

/** What a step takes beside its layers with experts. */
function restMs({ machine, model }: PlanSetup): number {
  const none = { ...machine.times, layers: [] };
  return residentTokenMs(model.shape, none, 0).computeMs;
}
