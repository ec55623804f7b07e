import type { RunContext, SeriesInput, Summary } from "@fmlab/experiment";
import type { ReplayCell, ReplayRunResult } from "./replay-job.ts";

type Sink = Pick<RunContext, "metric" | "series" | "log">;
const MIB = 2 ** 20;
/** Most groups of bars, and of points, that one picture takes. */
const BAR_GROUPS_MAX = 12;
const POINT_GROUPS_MAX = 24;

/** Tells a cell's numbers as metrics. */
export function tellCell(ctx: Sink, cell: ReplayCell): void {
  const { beladyTokensPerSecond, found, index, problem, strategy } = cell;
  if (found === undefined) {
    ctx.log(`${strategy} in ${mebibytes(cell.budgetBytes)}: ${problem ?? "not possible"}`, "warn");
    return;
  }
  const axes = { strategy, step: index };
  ctx.metric("tokensPerSecond", found.tokensPerSecond, axes);
  ctx.metric("hitRate", 100 * found.hitRate, axes);
  ctx.metric("stallMsPerToken", found.stallMs, axes);
  ctx.metric("bytesPerToken", found.bytes, axes);
  ctx.metric("boundTokensPerSecond", found.boundTokensPerSecond, axes);
  if (beladyTokensPerSecond !== undefined) {
    ctx.metric("beladyTokensPerSecond", beladyTokensPerSecond, axes);
  }
}

/** Draws the pictures and makes the summary. */
export function reportReplay(ctx: Sink, result: ReplayRunResult): Summary {
  const { cells } = result;
  const shown = shownCells(cells);
  ctx.series("speed", speedSeries(result));
  ctx.series("tokenTime", timeSeries(shown));
  ctx.series("layerHits", layerSeries(shown, result.moeLayers));
  ctx.series("expertUses", usesSeries(result));
  ctx.series("hitsByLayer", hitsSeries(result));
  ctx.series("cells", cellTable(cells));
  ctx.series("assumptions", assumptionTable(result));
  const best = fastest(cells);
  const overall = {
    tokensPerSecond: best?.found?.tokensPerSecond ?? null,
    hitRate: best?.found ? 100 * best.found.hitRate : null,
    stallMsPerToken: best?.found?.stallMs ?? null,
    bytesPerToken: best?.found?.bytes ?? null,
    boundTokensPerSecond: best?.found?.boundTokensPerSecond ?? null,
    beladyTokensPerSecond: best?.beladyTokensPerSecond ?? null,
  };
  for (const [name, value] of Object.entries(overall)) if (value !== null) ctx.metric(name, value);
  return {
    ...overall,
    fastest: best && { strategy: best.strategy, budgetMiB: best.budgetBytes / MIB },
    model: result.model,
    machine: result.machine,
    tokenCount: result.tokenCount,
    warmupTokens: result.warmupTokens,
    learnedTokens: result.learnedTokens,
    isSimulatedRouting: result.isSimulatedRouting,
    cells: cells.map(({ found, link, ...facts }) => ({
      ...facts,
      linkMBps: link.bandwidthMBps,
      ...found,
    })),
  };
}

/** The fastest cell of those that could run. */
function fastest(cells: readonly ReplayCell[]): ReplayCell | undefined {
  const speed = (cell: ReplayCell | undefined) => cell?.found?.tokensPerSecond ?? 0;
  return cells
    .filter(({ found, isOracle }) => found !== undefined && !isOracle)
    .reduce<ReplayCell | undefined>(
      (best, one) => (speed(one) > speed(best) ? one : best),
      undefined,
    );
}

/** Cells of the first link and the middle memory. */
function shownCells(cells: readonly ReplayCell[]): ReplayCell[] {
  const first = cells[0]?.link;
  const ofLink = cells.filter(({ link }) => isSame(link, first));
  const budgets = [...new Set(ofLink.map(({ budgetBytes }) => budgetBytes))];
  const middle = budgets[Math.floor((budgets.length - 1) / 2)];
  return ofLink.filter(({ budgetBytes }) => budgetBytes === middle);
}

function speedSeries({ cells }: ReplayRunResult): SeriesInput {
  const links = [...new Set(cells.map(({ link }) => link))];
  const names = [...new Set(cells.map(({ strategy }) => strategy))];
  const isOne = links.length === 1;
  const groups: { name: string; joined: boolean; points: Point[] }[] = [];
  for (const link of links) {
    for (const name of names) {
      const own = cells.filter((cell) => cell.strategy === name && isSame(cell.link, link));
      groups.push({
        name: isOne ? name : `${name}, ${link.bandwidthMBps} MB/s`,
        joined: true,
        points: own.map((cell) => pointOf(cell)),
      });
    }
  }
  const bounds = links.slice(0, 4).flatMap((link) => {
    const points = new Map<number, number>();
    for (const cell of cells) {
      const { beladyTokensPerSecond: y } = cell;
      if (isSame(cell.link, link) && y !== undefined) points.set(cell.budgetBytes / MIB, y);
    }
    if (points.size < 2) return [];
    const name = isOne ? "best possible" : `best possible, ${link.bandwidthMBps} MB/s`;
    const source = "replay of Belady's eviction with every prefetch right";
    return [{ name, points: [...points].map(([x, y]) => ({ x, y })), source }];
  });
  return {
    kind: "scatter",
    x: { label: "memory for experts", unit: "MiB", better: "lower" },
    y: { label: "predicted speed", unit: "tok/s", better: "higher" },
    groups: groups.slice(0, POINT_GROUPS_MAX),
    front: true,
    bounds,
    note:
      groups.length > POINT_GROUPS_MAX
        ? `the first ${POINT_GROUPS_MAX} of ${groups.length} lines; all are in the table`
        : "",
  };
}

interface Point {
  x: number;
  y: number | null;
  label: string;
}

function pointOf({ budgetBytes, found, strategy }: ReplayCell): Point {
  return {
    x: budgetBytes / MIB,
    y: found?.tokensPerSecond ?? null,
    label: `${strategy}, ${mebibytes(budgetBytes)}`,
  };
}

function timeSeries(shown: readonly ReplayCell[]): SeriesInput {
  const values = (of: (found: NonNullable<ReplayCell["found"]>) => number) =>
    shown.map(({ found }) => (found ? of(found) : null));
  return {
    kind: "bars",
    categoryLabel: "strategy",
    categories: shown.map(({ strategy }) => strategy),
    valueLabel: "time per token",
    valueUnit: "ms",
    arrangement: "stacked",
    groups: [
      { name: "computing", values: values(({ computeMs }) => computeMs) },
      { name: "waiting for bytes on the wire", values: values(({ wireMs }) => wireMs) },
      {
        name: "waiting for delays and queues",
        values: values(({ stallMs, wireMs }) => Math.max(0, stallMs - wireMs)),
      },
    ],
    references: shown.every(({ found }) => found !== undefined)
      ? [
          {
            name: "link in use",
            value: values(({ linkBusyMs }) => linkBusyMs).map((ms) => ms ?? 0),
            source: "of the same replay; what is above computing cannot be hidden",
          },
        ]
      : [],
    note: tellShown(shown),
  };
}

function layerSeries(shown: readonly ReplayCell[], layers: readonly number[]): SeriesInput {
  const possible = shown.filter(({ found }) => found !== undefined);
  return {
    kind: "bars",
    categoryLabel: "layer",
    categories: layers.map(String),
    valueLabel: "hit rate",
    valueUnit: "%",
    groups: possible.slice(0, BAR_GROUPS_MAX).map(({ found, strategy }) => ({
      name: strategy,
      values: layers.map((_, place) => 100 * (found?.hitRateByLayer[place] ?? 0)),
    })),
    note: tellShown(shown),
  };
}

function usesSeries({ moeLayers, uses }: ReplayRunResult): SeriesInput {
  return {
    kind: "heatmap",
    rowLabel: "layer",
    columnLabel: "expert",
    valueLabel: "times chosen",
    rows: moeLayers.map(String),
    columns: (uses[0] ?? []).map((_, expert) => String(expert)),
    values: uses.map((row) => [...row]),
  };
}

function hitsSeries({ cells, moeLayers }: ReplayRunResult): SeriesInput {
  const possible = cells.filter(({ found }) => found !== undefined);
  const isOne = new Set(cells.map(({ link }) => link.bandwidthMBps)).size === 1;
  return {
    kind: "heatmap",
    rowLabel: "cell",
    columnLabel: "layer",
    valueLabel: "hit rate",
    valueUnit: "%",
    rows: possible.map(
      ({ budgetBytes, link, strategy }) =>
        `${strategy}, ${mebibytes(budgetBytes)}` +
        (isOne ? "" : `, ${Math.round(link.bandwidthMBps)} MB/s`),
    ),
    columns: moeLayers.map(String),
    values: possible.map(({ found }) =>
      moeLayers.map((_, place) => 100 * (found?.hitRateByLayer[place] ?? 0)),
    ),
  };
}

function cellTable(cells: readonly ReplayCell[]): SeriesInput {
  const number = (key: string, title: string, unit = "") =>
    ({ key, title, unit, type: "number" }) as const;
  return {
    kind: "table",
    columns: [
      number("cell", "Cell"),
      { key: "strategy", title: "Strategy", type: "text" },
      number("budgetMiB", "Memory", "MiB"),
      number("linkMBps", "Link", "MB/s"),
      number("tokensPerSecond", "Speed", "tok/s"),
      number("hitRate", "Hits", "%"),
      number("onCpu", "On the CPU", "%"),
      number("stallMs", "Stall", "ms/token"),
      number("bytesMiB", "Loaded", "MiB/token"),
      number("wastedMiB", "Unused", "MiB/token"),
      number("bound", "Bound of loads", "tok/s"),
      number("belady", "Best possible", "tok/s"),
      { key: "problem", title: "Why not", type: "text" },
    ],
    rows: cells.map(({ beladyTokensPerSecond, budgetBytes, found, index, link, ...one }) => ({
      cell: index,
      strategy: one.strategy,
      budgetMiB: budgetBytes / MIB,
      linkMBps: link.bandwidthMBps,
      tokensPerSecond: found?.tokensPerSecond ?? null,
      hitRate: found ? 100 * found.hitRate : null,
      onCpu: found ? 100 * found.cpuRate : null,
      stallMs: found?.stallMs ?? null,
      bytesMiB: found ? found.bytes / MIB : null,
      wastedMiB: found ? found.wastedBytes / MIB : null,
      bound: found?.boundTokensPerSecond ?? null,
      belady: beladyTokensPerSecond ?? null,
      problem: one.problem ?? "",
    })),
  };
}

function assumptionTable({ assumptions }: ReplayRunResult): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "what", title: "What", type: "text" },
      { key: "value", title: "Taken", type: "text" },
      { key: "source", title: "Where from", type: "text" },
    ],
    rows: assumptions.map((row) => ({ ...row })),
  };
}

function tellShown([first]: readonly ReplayCell[]): string {
  if (first === undefined) return "";
  return `${mebibytes(first.budgetBytes)} for experts, ${Math.round(first.link.bandwidthMBps)} MB/s`;
}

function isSame(a: ReplayCell["link"] | undefined, b: ReplayCell["link"] | undefined): boolean {
  return (
    a?.bandwidthMBps === b?.bandwidthMBps &&
    a?.latencyUs === b?.latencyUs &&
    a?.queueDepth === b?.queueDepth
  );
}

function mebibytes(bytes: number): string {
  return `${Number((bytes / MIB).toFixed(2))} MiB`;
}
