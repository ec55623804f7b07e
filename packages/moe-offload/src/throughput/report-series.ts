import type { SeriesInput } from "@fmlab/experiment";
import type { DifferenceRecord, PlanRecord, ScheduleRecord } from "./messages.ts";
import { bubbleShare, bytesPerToken, tokensPerSecond } from "./schedule-numbers.ts";

/** One row a schedule, each next to the first and to the one before it. */
export function scheduleTable(records: readonly ScheduleRecord[]): SeriesInput {
  const first = records[0];
  return {
    kind: "table",
    columns: [
      { key: "schedule", title: "Schedule", type: "text" },
      { key: "batches", title: "Batches", type: "number" },
      { key: "tokensPerSecond", title: "Throughput", unit: "tok/s", type: "number" },
      { key: "overFirst", title: "Over the first", unit: "x", type: "number" },
      { key: "overPrevious", title: "Over the one before", unit: "x", type: "number" },
      { key: "prefillMs", title: "Prompts", unit: "ms", type: "number" },
      { key: "decodeMs", title: "Generation", unit: "ms", type: "number" },
      { key: "loadedMiB", title: "Loaded per token", unit: "MiB", type: "number" },
      { key: "loads", title: "Loads", type: "number" },
      { key: "bubbleShare", title: "Bubbles", unit: "%", type: "number" },
    ],
    rows: records.map((record, index) => {
      const speed = tokensPerSecond(record);
      const previous = records[index - 1];
      return {
        schedule: record.schedule,
        batches: record.batches,
        tokensPerSecond: speed,
        overFirst: first ? speed / tokensPerSecond(first) : null,
        overPrevious: previous ? speed / tokensPerSecond(previous) : null,
        prefillMs: record.prefillMs,
        decodeMs: record.decodeMs,
        loadedMiB: bytesPerToken(record) / 2 ** 20,
        loads: record.prefill.loads + record.decode.loads,
        bubbleShare: bubbleShare(record),
      };
    }),
  };
}

/** One row for each inequality, with what it asks for and whether it decided. */
export function planTable({ plan }: PlanRecord): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "inequality", title: "Inequality", type: "text" },
      { key: "meaning", title: "Must be hidden", type: "text" },
      { key: "computeMs", title: "Computing", unit: "ms", type: "number" },
      { key: "transferMs", title: "Transfers", unit: "ms", type: "number" },
      { key: "batchesMin", title: "Batches it asks for", type: "number" },
      { key: "verdict", title: "At the group's size", type: "text" },
    ],
    rows: [
      ...plan.inequalities.map((one) => ({
        inequality: `(${one.equation})`,
        meaning: one.meaning,
        computeMs: one.computeMs,
        transferMs: one.transferMs,
        batchesMin: one.batchesMin,
        verdict:
          (one.holds ? "holds" : "does not hold") +
          (plan.boundBy === `equation ${one.equation}` ? "; decides" : ""),
      })),
      {
        inequality: "(3)",
        meaning: "caches and activations in memory",
        computeMs: null,
        transferMs: null,
        batchesMin: null,
        verdict:
          `at most ${plan.batchesByMemory} batches` +
          (plan.boundBy === "memory" ? "; decides" : ""),
      },
    ],
  };
}

/** Where the time of each schedule goes, in seconds per thousand generated tokens. */
export function timeBars(records: readonly ScheduleRecord[]): SeriesInput {
  type Part = "attentionMs" | "expertsMs" | "headMs" | "waitMs";
  const parts: [Part, string][] = [
    ["attentionMs", "attention and routers"],
    ["expertsMs", "experts"],
    ["headMs", "head"],
    ["waitMs", "waiting"],
  ];
  const sum = (record: ScheduleRecord, part: Part) => record.prefill[part] + record.decode[part];
  const rest = (record: ScheduleRecord) =>
    record.prefillMs +
    record.decodeMs -
    parts.reduce((total, [part]) => total + sum(record, part), 0);
  return {
    kind: "bars",
    categoryLabel: "schedule",
    categories: records.map(({ schedule }) => schedule),
    valueLabel: "time per thousand tokens",
    valueUnit: "s",
    arrangement: "stacked",
    groups: [
      ...parts.map(([part, name]) => ({
        name,
        values: records.map((record) => sum(record, part) / record.tokens),
      })),
      {
        name: "other",
        values: records.map((record) => Math.max(0, rest(record)) / record.tokens),
      },
    ],
  };
}

/** One row a layer: predicted, used and hot experts. */
export function hotTable(byLayer: readonly (readonly number[])[]): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "layer", title: "Layer with experts", type: "number" },
      { key: "predicted", title: "Predicted experts", type: "number" },
      { key: "used", title: "Used", unit: "%", type: "number" },
      { key: "hot", title: "Among the hottest", unit: "%", type: "number" },
    ],
    rows: byLayer.map(([predicted = 0, used = 0, hot = 0], layer) => ({
      layer,
      predicted,
      used: predicted > 0 ? (100 * used) / predicted : null,
      hot: predicted > 0 ? (100 * hot) / predicted : null,
    })),
  };
}

/** Differing choices, those that are no near ties first. */
export function differenceTable(difference: DifferenceRecord): SeriesInput {
  const row = (kind: string) => (one: DifferenceRecord["nearTies"][number]) => ({
    kind,
    sequence: one.sequence + 1,
    step: one.step,
    gap: one.gap,
    oneByOne: String(one.referenceToken),
    group: String(one.otherToken),
  });
  return {
    kind: "table",
    columns: [
      { key: "kind", title: "Kind", type: "text" },
      { key: "sequence", title: "Sequence", type: "number" },
      { key: "step", title: "Step", type: "number" },
      { key: "gap", title: "Gap of the best two logits", type: "number" },
      { key: "oneByOne", title: "Token one by one (id)", type: "text" },
      { key: "group", title: "Token in the group (id)", type: "text" },
    ],
    rows: [
      ...difference.otherDifferences.map(row("no near tie")),
      ...difference.nearTies.map(row("near tie")),
    ],
  };
}
