import type { StreamTimes } from "../prefill/stream-recorder.ts";
import type { StreamSession } from "../prefill/stream-session.ts";
import type { CorrelationTable, HotAccuracy } from "./correlation-table.ts";
import type { GroupEngine } from "./group-engine.ts";
import type { ScheduleRecord, StepRecord, ThroughputOptions } from "./messages.ts";
import type { Schedule } from "./schedules.ts";

/** What a schedule wrote: tokens by sequence, logits by compared sequence and step. */
export interface Kept {
  readonly tokens: number[][];
  readonly logits: Float32Array[][];
}

/** What a schedule asks of the session that it runs in. */
export interface ScheduleHost extends Pick<StreamSession, "nowMs" | "recorder"> {
  readonly machine: { readonly model: { readonly moeLayers: readonly number[] } };
  /** @throws ExperimentError `CANCELLED` once the session was asked to stop */
  throwIfCancelled(): void;
}

/** What of a session's options its schedules need. */
export type ScheduleOptions = Pick<
  ThroughputOptions,
  "compareSequences" | "outputTokens" | "schedules" | "sequencesPerBatch" | "timelineSteps"
>;

/** What a schedule is run with. */
export interface ScheduleRunParts {
  readonly session: ScheduleHost;
  readonly engine: GroupEngine;
  readonly table: CorrelationTable;
  readonly schedule: Schedule;
  /** Of all sequences, batch by batch. */
  readonly prompts: readonly number[][];
  /** Batches that the engine runs together. */
  readonly groupSize: number;
  readonly options: ScheduleOptions;
  /** Where to keep what is written; undefined keeps nothing. */
  readonly kept: Kept | undefined;
  readonly onStep: (step: StepRecord) => void;
}

/** Generates for all sequences, group after group. @throws as `GroupEngine` */
export function runSchedule(parts: ScheduleRunParts): ScheduleRecord {
  const { engine, groupSize, options, prompts, schedule, session, table } = parts;
  const { nowMs, recorder } = session;
  recorder.take();
  const sums = { prefillMs: 0, decodeMs: 0, prefill: recorder.take(), decode: recorder.take() };
  const layers = session.machine.model.moeLayers;
  const size = groupSize * options.sequencesPerBatch;
  let before: HotAccuracy[] = [];
  let stepCount = 0;
  for (let first = 0; first < prompts.length; first += size) {
    const keep = keeper(parts, first);
    const startMs = nowMs();
    keep.tokens(engine.prefill(prompts.slice(first, first + size), keep.logits));
    sums.prefillMs += nowMs() - startMs;
    addTimes(sums.prefill, recorder.take());
    if (first === 0) before = layers.map((layer) => table.accuracy(layer));
    for (let step = 1; step < options.outputTokens; step++) {
      session.throwIfCancelled();
      const isShown = schedule.name === options.schedules.at(-1) && first === 0;
      recorder.recordsTimeline = isShown && step <= options.timelineSteps;
      const stepStartMs = nowMs();
      keep.tokens(engine.step(keep.logits));
      const stepMs = nowMs() - stepStartMs;
      const times = recorder.take();
      addTimes(sums.decode, times);
      sums.decodeMs += stepMs;
      const { bytes, waitMs } = times;
      parts.onStep({ schedule: schedule.name, step: stepCount++, stepMs, bytes, waitMs });
    }
    recorder.recordsTimeline = false;
  }
  const hot = layers.map((layer, rank) => difference(table.accuracy(layer), before[rank]));
  return {
    schedule: schedule.name,
    batches: prompts.length / options.sequencesPerBatch,
    sequences: prompts.length,
    tokens: prompts.length * options.outputTokens,
    ...sums,
    hot: schedule.ahead === "hot" ? total(hot) : undefined,
  };
}

/** Keeps tokens and logits of a group that begins with sequence `first`. */
function keeper({ kept, options }: ScheduleRunParts, first: number) {
  return {
    tokens: (chosen: Int32Array) => {
      if (!kept) return;
      chosen.forEach((token, index) => {
        listOf(kept.tokens, first + index).push(token);
      });
    },
    logits: (index: number, _step: number, row: Float32Array) => {
      const sequence = first + index;
      if (kept && sequence < options.compareSequences) {
        listOf(kept.logits, sequence).push(row.slice());
      }
    },
  };
}

/** The list of a sequence, made when it is not there yet. */
function listOf<T>(lists: T[][], sequence: number): T[] {
  const found = lists[sequence] ?? [];
  lists[sequence] = found;
  return found;
}

function addTimes(sum: StreamTimes, more: StreamTimes): void {
  for (const key of Object.keys(more) as (keyof StreamTimes)[]) sum[key] += more[key];
}

function difference(now: HotAccuracy, before: HotAccuracy | undefined): HotAccuracy {
  return {
    predicted: now.predicted - (before?.predicted ?? 0),
    used: now.used - (before?.used ?? 0),
    hot: now.hot - (before?.hot ?? 0),
  };
}

function total(byLayer: readonly HotAccuracy[]): NonNullable<ScheduleRecord["hot"]> {
  const sum = (of: (one: HotAccuracy) => number) => byLayer.reduce((all, one) => all + of(one), 0);
  return {
    predicted: sum((one) => one.predicted),
    used: sum((one) => one.used),
    hot: sum((one) => one.hot),
    byLayer: byLayer.map(({ predicted, used, hot }) => [predicted, used, hot]),
  };
}
