import { median } from "@fmlab/stats";
import { MoeError } from "../errors.ts";
import type { StreamSession } from "../prefill/stream-session.ts";
import { GroupEngine } from "./group-engine.ts";
import { planGroup, type StageTimes } from "./group-plan.ts";
import type { PlanRecord, ThroughputOptions } from "./messages.ts";
import { routingStatistics } from "./routing-statistics.ts";
import { timeLayer } from "./stage-timing.ts";

/** Decode steps of the run that the times are taken from. */
const TIMED_STEPS = 4;

/** What a group is planned from. */
export interface MeasuredPlanParts {
  readonly session: StreamSession;
  /** For one batch, over the session. */
  readonly engine: GroupEngine;
  /** Of one batch. */
  readonly prompts: readonly number[][];
  readonly hotCount: number;
  readonly options: ThroughputOptions;
  readonly sizes: {
    readonly sequencesPerBatch: number;
    readonly promptTokensMax: number;
    readonly contextTokensMax: number;
  };
}

/**
 * Plans a group from times that a short run of one batch measures on this machine.
 *
 * @throws MoeError `GROUP_TOO_LARGE`, `BAD_SETTING` for more batches than memory holds; as
 *         `GroupEngine`
 */
export function measurePlan(parts: MeasuredPlanParts): PlanRecord {
  const { hotCount, options, session, sizes } = parts;
  const { batches, batchesMax, memoryBytes, sequencesPerBatch } = options;
  const { facts, machine } = session;
  const { times, uses } = measure(parts);
  const statistics = routingStatistics(machine.model, uses, hotCount);
  const rowsPerBatch = sequencesPerBatch * machine.model.expertUsedCount;
  const batchBytes = GroupEngine.batchBytes({ machine, ...sizes });
  const plan = planGroup({
    times,
    hotCount,
    rowsPerBatch,
    hotRowsPerBatch: Math.round(rowsPerBatch * statistics.hotShare),
    queued: (n) => Math.round(statistics.others(n * sequencesPerBatch)),
    fixedBytes: facts.slotBytes,
    batchBytes,
    memoryBytes,
    batchesMax,
  });
  if (batches > plan.batchesByMemory) throw tooMany(batches, plan.batchesByMemory);
  return { plan, times, hotCount, batches: batches || plan.batches, batchBytes };
}

function measure({ engine, options, prompts, session }: MeasuredPlanParts) {
  const { machine, recorder, stream } = session;
  const unitMs: number[] = [];
  const loadMs: number[] = [];
  const { onLoad } = stream;
  stream.onLoad = (load) => {
    loadMs.push(load.endMs - load.startMs);
    onLoad?.(load);
  };
  engine.prefill(prompts);
  engine.pass.onUnit = (startMs, endMs, { layer }) => {
    session.throwIfCancelled();
    if (layer >= 0) unitMs.push(endMs - startMs);
  };
  for (let step = 1; step <= Math.min(TIMED_STEPS, options.outputTokens - 1); step++) engine.step();
  recorder.take();
  const compute = timeLayer(machine, options.sequencesPerBatch, session.nowMs);
  const medianNs = (values: number[]) => (values.length > 0 ? Math.round(median(values) * 1e6) : 0);
  const times: StageTimes = {
    ...compute,
    // A unit's graph holds attention, router and shared expert.
    attentionNs: Math.max(1, medianNs(unitMs) - compute.gateNs),
    // Routers and attention blocks stay in memory.
    gateTransferNs: 0,
    attentionTransferNs: 0,
    expertTransferNs: medianNs(loadMs),
  };
  return { times, uses: engine.pass.uses };
}

function tooMany(batches: number, batchesByMemory: number): MoeError {
  return new MoeError(
    `a group of ${batches} batches does not fit in memoryMiB; ${batchesByMemory} do. Lower ` +
      "batches, or raise memoryMiB.",
    {
      code: "BAD_SETTING",
      setting: "batches",
      value: batches,
      expected: `at most ${batchesByMemory} with this memory`,
    },
  );
}
