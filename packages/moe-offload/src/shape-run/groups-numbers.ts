import { pairedRatioCi, type RatioInterval } from "@fmlab/stats";
import type { StreamTimes } from "../prefill/stream-recorder.ts";
import type { ScheduleRecord } from "../throughput/messages.ts";
import type { ScheduleName } from "../throughput/schedules.ts";
import type { GroupsRecord } from "./groups-job.ts";

/** Decode steps whose times are summed before schedules are compared: neighbours are alike. */
const BLOCK_STEPS = 4;
/** Fewer say nothing of their spread. */
const BLOCKS_MIN = 3;

/** One schedule over all repetitions. */
export interface ScheduleSums extends ScheduleRecord {
  /** Time in which graphs were computed. */
  readonly busyMs: number;
  /** By block of decode steps, with its share of the prompts' time: ms for each sequence. */
  readonly blockMs: readonly number[];
}

/** Adds up the repetitions of each schedule, schedules in the order given. */
export function sumSchedules(
  schedules: readonly ScheduleName[],
  records: readonly GroupsRecord[],
): ScheduleSums[] {
  return schedules.flatMap((name) => {
    const own = records.filter(({ schedule }) => schedule === name);
    own.sort((a, b) => a.repeat - b.repeat);
    const [first] = own;
    if (!first) return [];
    const sum = (of: (record: GroupsRecord) => number) =>
      own.reduce((total, record) => total + of(record), 0);
    return {
      ...first,
      tokens: sum(({ tokens }) => tokens),
      prefillMs: sum(({ prefillMs }) => prefillMs),
      decodeMs: sum(({ decodeMs }) => decodeMs),
      busyMs: sum(({ busyMs }) => busyMs),
      prefill: sumTimes(own.map(({ prefill }) => prefill)),
      decode: sumTimes(own.map(({ decode }) => decode)),
      blockMs: own.flatMap(blocksOf),
    };
  });
}

/**
 * Speed of one schedule over another's with its 95 % interval, paired by blocks of decode steps;
 * undefined when there are too few blocks.
 */
export function overOther(own: ScheduleSums, other: ScheduleSums): RatioInterval | undefined {
  const count = Math.min(own.blockMs.length, other.blockMs.length);
  if (count < BLOCKS_MIN || own === other) return undefined;
  return pairedRatioCi(other.blockMs.slice(0, count), own.blockMs.slice(0, count));
}

/** Percent of the time in which no graph was computed: waiting, and the host's own work. */
export function idleShare(sums: ScheduleSums): number {
  const total = sums.prefillMs + sums.decodeMs;
  return (100 * Math.max(0, total - sums.busyMs)) / total;
}

/** Percent of the time in which experts were copied. */
export function linkShare(record: ScheduleRecord): number {
  const total = record.prefillMs + record.decodeMs;
  return (100 * (record.prefill.transferMs + record.decode.transferMs)) / total;
}

/** Percent that `max(time in graphs, bytes / link)` is of the time taken. */
export function boundShare(sums: ScheduleSums, linkMBps: number): number {
  const bytes = sums.prefill.bytes + sums.decode.bytes;
  const boundMs = Math.max(sums.busyMs, bytes / 1e3 / linkMBps);
  return (100 * boundMs) / (sums.prefillMs + sums.decodeMs);
}

/** Steps in nearly equal blocks, each with its share of the prompts' time, for each sequence. */
function blocksOf({ prefillMs, sequences, stepMs, tokens }: GroupsRecord): number[] {
  const steps = tokens / sequences - 1;
  // Schedules without groups run one batch after the other: their times of a step add up.
  const bySteps = Array.from({ length: steps }, (_, step) =>
    stepMs.reduce((sum, ms, index) => sum + (index % steps === step ? ms : 0), 0),
  );
  const blocks = Math.max(1, Math.floor(steps / BLOCK_STEPS));
  return Array.from({ length: blocks }, (_, block) => {
    const from = Math.floor((block * steps) / blocks);
    const to = Math.floor(((block + 1) * steps) / blocks);
    const ms = bySteps.slice(from, to).reduce((sum, one) => sum + one, prefillMs / blocks);
    return ms / sequences;
  });
}

function sumTimes(all: readonly StreamTimes[]): StreamTimes {
  const [first, ...others] = all;
  if (!first) throw new Error("a schedule ran once at least");
  const sum = { ...first };
  for (const times of others) {
    for (const key of Object.keys(sum) as (keyof StreamTimes)[]) sum[key] += times[key];
  }
  return sum;
}
