import type { SeriesInput } from "@fmlab/experiment";
import { SHORTLIST } from "../planner/candidates.ts";
import { hitRate, speedOf } from "../planner/plan.ts";
import { type PlanRunResult, TOKEN_COUNTS } from "./plan-job.ts";
import type { Reason } from "./plan-reasons.ts";

const MIB = 2 ** 20;
/** Experts that a cell of a table names. */
const NAMED_MAX = 16;
/** Categories that one picture of bars takes. */
const BARS_MAX = 24;

const number = (key: string, title: string, unit = "") =>
  ({ key, title, unit, type: "number" }) as const;
const words = (key: string, title: string) => ({ key, title, type: "text" }) as const;

/** One row a plan. */
export function planTable({ plans, groups }: PlanRunResult): SeriesInput {
  return {
    kind: "table",
    columns: [
      number("plan", "Plan"),
      number("memoryMiB", "Memory", "MiB"),
      number("kvMiB", "KV cache", "MiB"),
      number("expertMiB", "For experts", "MiB"),
      words("mode", "How"),
      words("strategy", "Strategy"),
      number("tokensPerSecond", "Speed", "tok/s"),
      number("low", "Low", "tok/s"),
      number("high", "High", "tok/s"),
      number("hitRate", "Hits", "%"),
      words("bottleneck", "Limited by"),
      number("bound", "Best possible", "tok/s"),
      number("group", "Groups, at most", "tok/s"),
    ],
    rows: plans.map((plan, i) => ({
      plan: i,
      memoryMiB: plan.memoryBytes / MIB,
      kvMiB: plan.kvBytes / MIB,
      expertMiB: plan.expertBudgetBytes / MIB,
      mode: plan.mode,
      strategy: plan.chosen.candidate.title,
      tokensPerSecond: speedOf(plan.chosen),
      low: plan.interval.low,
      high: plan.interval.high,
      hitRate: 100 * hitRate(plan.chosen),
      bottleneck: plan.bottleneck,
      bound: plan.boundTokensPerSecond,
      group: groups[i]?.tokensPerSecondMax ?? null,
    })),
  };
}

/** Speed over memory: shortlisted strategies, the plans, and the bound. */
export function speedScatter({ curve, plans }: PlanRunResult): SeriesInput {
  const bound = curve.flatMap(({ budgetBytes, boundTokensPerSecond: y }) =>
    y === undefined ? [] : [{ x: budgetBytes / MIB, y }],
  );
  return {
    kind: "scatter",
    x: { label: "memory for experts", unit: "MiB", better: "lower" },
    y: { label: "predicted speed", unit: "tok/s", better: "higher" },
    groups: [
      {
        name: "plan",
        points: plans.map((plan) => ({
          x: plan.expertBudgetBytes / MIB,
          y: speedOf(plan.chosen),
          label: plan.chosen.candidate.title,
          low: Math.min(plan.interval.low, speedOf(plan.chosen)),
          high: Math.max(
            Number.isFinite(plan.interval.high) ? plan.interval.high : 0,
            speedOf(plan.chosen),
          ),
        })),
      },
      ...[...SHORTLIST, "all-resident"].map((name) => ({
        name,
        joined: true,
        points: curve.flatMap(({ budgetBytes, speeds }) => {
          const y = speeds.get(name);
          return y === undefined ? [] : [{ x: budgetBytes / MIB, y, label: name }];
        }),
      })),
    ],
    front: true,
    bounds:
      bound.length < 2
        ? []
        : [
            {
              name: "best possible",
              points: bound,
              source: "replay of Belady, prefetching rightly",
            },
          ],
    note: "simulated: predictions of the replayer",
  };
}

/** Layers of the first plan. */
export function layerTable({ layers }: PlanRunResult): SeriesInput {
  return {
    kind: "table",
    columns: [
      number("layer", "Layer"),
      number("slots", "Slots"),
      number("hitRate", "Hits", "%"),
      number("exposedMs", "Waiting per token", "ms"),
      number("missMs", "Waiting per miss", "ms"),
      words("resident", "Resident at the start, most used first"),
    ],
    rows: layers.map((one) => ({
      layer: one.layer,
      slots: one.slots,
      hitRate: 100 * one.hitRate,
      exposedMs: one.exposedMs,
      missMs: one.missMs,
      resident: tellExperts(one.resident),
    })),
  };
}

/** Slots of each layer, beside equal shares. */
export function layerSizeBars({ layers, plans }: PlanRunResult): SeriesInput {
  const sized = plans[0]?.options.find(({ curves }) => curves !== undefined);
  const byCurves = sized?.prediction.slots;
  return {
    kind: "bars",
    categoryLabel: "layer",
    categories: layers.map(({ layer }) => String(layer)),
    valueLabel: "slots",
    valueUnit: "",
    groups: [
      { name: "the plan", values: layers.map(({ slots }) => slots) },
      { name: "equal shares", values: layers.map(({ equalSlots }) => equalSlots) },
      ...(byCurves ? [{ name: "by miss curves", values: [...byCurves] }] : []),
    ],
    note: "of the first plan; by miss curves: misses x measured waiting, re-solved for each memory",
  };
}

/** What a token's time goes to under every strategy of the first plan. */
export function timeBars({ plans }: PlanRunResult): SeriesInput {
  const options = (plans[0]?.options ?? []).slice(0, BARS_MAX);
  const values = (
    of: (time: { computeMs: number; overheadMs: number; stallMs: number }) => number,
  ) => options.map(({ prediction }) => of(prediction.result.tokenTime));
  return {
    kind: "bars",
    categoryLabel: "strategy",
    categories: options.map(({ candidate }) => candidate.name),
    valueLabel: "time per token",
    valueUnit: "ms",
    arrangement: "stacked",
    groups: [
      { name: "computing", values: values(({ computeMs }) => computeMs) },
      { name: "starting graphs", values: values(({ overheadMs }) => overheadMs) },
      { name: "waiting for experts", values: values(({ stallMs }) => stallMs) },
    ],
    note: "of the first plan",
  };
}

/** Everything that was compared for the first plan. */
export function strategyTable({ plans }: PlanRunResult): SeriesInput {
  return {
    kind: "table",
    columns: [
      words("strategy", "Strategy"),
      number("tokensPerSecond", "Speed", "tok/s"),
      number("hitRate", "Hits", "%"),
      number("onCpu", "On the CPU", "%"),
      number("stallMs", "Waiting per token", "ms"),
      number("loadedMiB", "Loaded per token", "MiB"),
    ],
    rows: (plans[0]?.options ?? []).map((option) => {
      const { bytes, counts, tokenCount, tokenTime } = option.prediction.result;
      return {
        strategy: option.candidate.title,
        onCpu: (100 * counts.cpuComputed) / Math.max(1, counts.uses),
        tokensPerSecond: speedOf(option),
        hitRate: 100 * hitRate(option),
        stallMs: tokenTime.stallMs,
        loadedMiB: (bytes.demanded + bytes.prefetched) / Math.max(1, tokenCount) / MIB,
      };
    }),
  };
}

/** What would make the first plan faster. */
export function gainTable({ gains, plans }: PlanRunResult): SeriesInput {
  const now = plans[0] ? speedOf(plans[0].chosen) : 0;
  return {
    kind: "table",
    columns: [
      words("what", "With"),
      number("tokensPerSecond", "Speed", "tok/s"),
      number("gain", "Gain", "%"),
    ],
    rows: gains.map(({ tokensPerSecond, what }) => ({
      what,
      tokensPerSecond,
      gain: now > 0 ? 100 * (tokensPerSecond / now - 1) : null,
    })),
  };
}

/** Slots of the first plan as its context grows. */
export function contextTable({ plans }: PlanRunResult): SeriesInput {
  return {
    kind: "table",
    columns: [
      number("contextTokens", "Context", "tokens"),
      number("kvMiB", "KV cache", "MiB"),
      number("expertMiB", "Left for experts", "MiB"),
      number("slotCount", "Slots"),
      words("slots", "By layer"),
      number("tokensPerSecond", "Speed at its end", "tok/s"),
    ],
    rows: (plans[0]?.contexts ?? []).map((row) => ({
      contextTokens: row.contextTokens,
      kvMiB: row.kvBytes / MIB,
      expertMiB: row.expertBytes / MIB,
      slotCount: row.slots.reduce((a, b) => a + b, 0),
      slots: row.slots.length === 0 ? "does not fit" : row.slots.join(" "),
      tokensPerSecond: row.tokensPerSecond ?? null,
    })),
  };
}

/** What happens to an expert, by layer, rank of use, and tokens of a step that need it. */
export function placementTable({ placement }: PlanRunResult): SeriesInput {
  return {
    kind: "table",
    columns: [
      number("layer", "Layer"),
      words("experts", "Experts"),
      words("ranks", "Ranks of use"),
      ...TOKEN_COUNTS.map((count) =>
        words(`t${count}`, count === 1 ? "1 token" : `${count} tokens`),
      ),
    ],
    rows: placement.flatMap(({ experts, layer, verbs }) => {
      // Neighbours in rank that are treated alike make one row.
      const rows: { from: number; to: number }[] = [];
      verbs.forEach((row, rank) => {
        const last = rows.at(-1);
        const isSame = last && verbs[last.from]?.every((verb, i) => verb === row[i]);
        if (isSame) last.to = rank;
        else rows.push({ from: rank, to: rank });
      });
      return rows.map(({ from, to }) => ({
        layer,
        experts: tellExperts(experts.slice(from, to + 1)),
        ranks: from === to ? String(from) : `${from} to ${to}`,
        ...Object.fromEntries(
          TOKEN_COUNTS.map((count, i) => [`t${count}`, verbs[from]?.[i] ?? ""]),
        ),
      }));
    }),
  };
}

/** Questions and answers. */
export function reasonTable(reasons: readonly Reason[]): SeriesInput {
  return {
    kind: "table",
    columns: [words("question", "Question"), words("answer", "Answer")],
    rows: reasons.map((reason) => ({ ...reason })),
  };
}

function tellExperts(experts: readonly number[]): string {
  const named = experts.slice(0, NAMED_MAX).join(" ");
  const rest = experts.length - NAMED_MAX;
  return rest > 0 ? `${named} and ${rest} more` : named;
}
