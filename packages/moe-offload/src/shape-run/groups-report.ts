import type { RunContext, SeriesInput, Summary } from "@fmlab/experiment";
import type { ShapeGroupsConfig } from "../definitions/shape-groups.ts";
import { hotTable, timeBars } from "../throughput/report-series.ts";
import { bubbleShare, bytesPerToken, tokensPerSecond } from "../throughput/schedule-numbers.ts";
import type { GroupsResult } from "./groups-job.ts";
import {
  boundShare,
  idleShare,
  linkShare,
  overOther,
  type ScheduleSums,
  sumSchedules,
} from "./groups-numbers.ts";
import { publishedSpeed } from "./groups-published.ts";

/** Draws the pictures of groups over a shape, and returns the run's summary. */
export function reportGroups(
  ctx: RunContext,
  config: ShapeGroupsConfig,
  result: GroupsResult,
): Summary {
  const sums = sumSchedules(config.schedules, result.records);
  tellNotes(ctx, config, result);
  ctx.series("schedules", tableOf(config, result, sums));
  ctx.series("ablation", ablationOf(sums));
  ctx.series("time", timeBars(sums));
  ctx.series("pipeline", timelineOf(result));
  const hot = sums.find(({ hot }) => hot !== undefined)?.hot;
  if (hot) ctx.series("hot", hotTable(hot.byLayer));
  const [first] = sums;
  const best = sums.find(({ schedule }) => schedule === result.shown) ?? sums.at(-1);
  const ratio = first && best && overOther(best, first);
  const numbers = {
    ...(best && {
      tokensPerSecond: tokensPerSecond(best),
      bubbleShare: bubbleShare(best),
      idleShare: idleShare(best),
      bytesPerToken: bytesPerToken(best),
      boundShare: boundShare(best, result.measuredLinkMBps),
    }),
    ...(first && best && { overFirst: tokensPerSecond(best) / tokensPerSecond(first) }),
    ...(ratio && { overFirstLow: ratio.low }),
    linkMBps: result.measuredLinkMBps,
    ...(result.memory.peakBytes !== undefined && { vramBytes: result.memory.peakBytes }),
  };
  for (const [key, value] of Object.entries(numbers)) ctx.metric(key, value);
  return {
    ...numbers,
    isShape: true,
    label: result.label.title,
    memory: result.memory,
    schedules: Object.fromEntries(
      sums.map((one) => [one.schedule, { ...one, tokensPerSecond: tokensPerSecond(one) }]),
    ),
  };
}

function tellNotes(ctx: RunContext, config: ShapeGroupsConfig, result: GroupsResult): void {
  const { label, memory, slotCount, expertTotal } = result;
  ctx.log(label.title);
  ctx.note("shape", label.title);
  label.notes.forEach((note, index) => {
    ctx.note(`shape.${index + 1}`, note);
  });
  const sequences = config.batches * config.sequencesPerBatch;
  if (result.texts < sequences) {
    ctx.note("routing", `${sequences} sequences replay the routing of ${result.texts} texts`);
  }
  ctx.note("device", result.deviceName);
  if (config.linkMBps > 0) ctx.note("emulated", `link of ${config.linkMBps} MB/s`);
  const share = ((100 * slotCount) / expertTotal).toFixed(0);
  const peak =
    memory.peakBytes === undefined ? "" : `; ${gigabytes(memory.peakBytes)} at most in all`;
  ctx.note(
    "memory",
    `${slotCount} of ${expertTotal} experts (${share} %) in ${gigabytes(memory.slotBytes)} of ` +
      `slots, keys and values of all sequences ${gigabytes(memory.cacheBytes)} and activations ` +
      `${gigabytes(memory.activationBytes)} beside them${peak}`,
  );
}

const COLUMNS = [
  { key: "schedule", title: "Schedule", type: "text" },
  { key: "batches", title: "Batches", type: "number" },
  { key: "sequences", title: "Sequences", type: "number" },
  { key: "speed", title: "Throughput", unit: "tok/s", type: "number" },
  { key: "overFirst", title: "Over the first", unit: "x", type: "number" },
  { key: "low", title: "From (95 %)", unit: "x", type: "number" },
  { key: "high", title: "To", unit: "x", type: "number" },
  { key: "overPrevious", title: "Over the one before", unit: "x", type: "number" },
  { key: "published", title: "Over the first, published", unit: "x", type: "number" },
  { key: "prefillMs", title: "Prompts", unit: "ms", type: "number" },
  { key: "decodeMs", title: "Generation", unit: "ms", type: "number" },
  { key: "loaded", title: "Loaded", unit: "MB/token", type: "number" },
  { key: "loads", title: "Loads", type: "number" },
  { key: "bubbles", title: "Bubbles", unit: "%", type: "number" },
  { key: "idle", title: "No graph computed", unit: "%", type: "number" },
  { key: "link", title: "Link busy", unit: "%", type: "number" },
  { key: "bound", title: "Of the bound", unit: "%", type: "number" },
] as const;

function tableOf(
  { shape }: ShapeGroupsConfig,
  { measuredLinkMBps }: GroupsResult,
  sums: readonly ScheduleSums[],
): SeriesInput {
  const [first] = sums;
  return {
    kind: "table",
    columns: [...COLUMNS],
    rows: sums.map((one, index) => {
      const speed = tokensPerSecond(one);
      const previous = sums[index - 1];
      const ratio = first && overOther(one, first);
      return {
        schedule: one.schedule,
        batches: one.batches,
        sequences: one.sequences,
        speed,
        overFirst: first ? speed / tokensPerSecond(first) : null,
        low: ratio?.low ?? null,
        high: ratio?.high ?? null,
        overPrevious: previous ? speed / tokensPerSecond(previous) : null,
        published: publishedOver(shape, one, first),
        prefillMs: one.prefillMs,
        decodeMs: one.decodeMs,
        loaded: bytesPerToken(one) / 1e6,
        loads: one.prefill.loads + one.decode.loads,
        bubbles: bubbleShare(one),
        idle: idleShare(one),
        link: linkShare(one),
        bound: boundShare(one, measuredLinkMBps),
      };
    }),
  };
}

function publishedOver(
  shape: ShapeGroupsConfig["shape"],
  one: ScheduleSums,
  first: ScheduleSums | undefined,
): number | null {
  const own = publishedSpeed(shape, one.schedule);
  const base = first && publishedSpeed(shape, first.schedule);
  return own !== undefined && base !== undefined ? own / base : null;
}

function ablationOf(sums: readonly ScheduleSums[]): SeriesInput {
  return {
    kind: "bars",
    categoryLabel: "schedule",
    categories: sums.map(({ schedule }) => schedule),
    valueLabel: "throughput, prompts included",
    valueUnit: "tok/s",
    groups: [{ name: "tok/s", values: sums.map(tokensPerSecond) }],
  };
}

function timelineOf({ label, shown, timeline }: GroupsResult): SeriesInput {
  const zero = timeline.events.reduce(
    (min, { startMs }) => Math.min(min, startMs),
    Number.POSITIVE_INFINITY,
  );
  return {
    kind: "timeline",
    lanes: timeline.lanes,
    events: timeline.events.map((event) => ({
      ...event,
      startMs: event.startMs - zero,
      endMs: event.endMs - zero,
    })),
    note: `the first decode steps of ${shown}; ${label.title}`,
  };
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
