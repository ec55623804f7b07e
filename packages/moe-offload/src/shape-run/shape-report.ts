import type { RunContext, SeriesInput, Summary } from "@fmlab/experiment";
import { mean, median, pairedRatioCi } from "@fmlab/stats";
import type { ShapeConfig } from "../definitions/shape.ts";
import type { CpuTimes } from "../offload/miss-costs.ts";
import { type CellResult, type CellStrategy, titleOf } from "./shape-cell.ts";
import type { ShapeResult } from "./shape-job.ts";

/** Draws the pictures of a run over a shape, and returns its summary. */
export function reportShape(ctx: RunContext, config: ShapeConfig, result: ShapeResult): Summary {
  const { cells, label, resident } = result;
  ctx.log(label.title);
  ctx.note("shape", label.title);
  label.notes.forEach((note, index) => {
    ctx.note(`shape.${index + 1}`, note);
  });
  ctx.note("device", result.deviceName);
  if (config.layerMs > 0 || config.linkMBps > 0) {
    ctx.note("emulated", `layers of ${config.layerMs} ms at least, link ${config.linkMBps} MB/s`);
  }
  ctx.note("resident", tellResident(resident));
  if (result.measuredCpu) ctx.note("cpuExperts", tellCpu(config, result, result.measuredCpu));
  ctx.series("cells", tableOf(result));
  if (result.foresight.length > 0) ctx.series("foresight", foresightTable(result));
  ctx.series("front", frontOf(cells));
  ctx.series("speed", {
    kind: "bars",
    categoryLabel: "cell",
    categories: cells.map(nameOf),
    valueLabel: "decode speed",
    valueUnit: "tok/s",
    groups: [{ name: "tok/s", values: cells.map((cell) => cell.tokensPerSecond) }],
  });
  const ours = cells.some(({ strategy }) => strategy === "planned") ? "planned" : "ours";
  const lows = cells
    .filter(({ strategy }) => strategy === ours)
    .flatMap((cell) => overFate(cell, cells)?.low ?? []);
  const oursOverFate = ratioOf(cells, ours, "fate");
  const fateOverLoadOnDemand = ratioOf(cells, "fate", "load-on-demand");
  const numbers = {
    decodeTokensPerSecond: median(cells.map((cell) => cell.tokensPerSecond)),
    linkMBps: result.measuredLinkMBps,
    boundShare: 100 * median(cells.map((cell) => cell.boundShare)),
    ...(result.measuredCpu && { cpuExpertMs: result.measuredCpu.expertMs }),
    ...(resident.wholeMs && { residentTokensPerSecond: 1000 / resident.wholeMs }),
    ...(oursOverFate && { oursOverFate }),
    ...(lows.length > 0 && { oursOverFateLow: Math.min(...lows) }),
    ...(fateOverLoadOnDemand && { fateOverLoadOnDemand }),
  };
  for (const [key, value] of Object.entries(numbers)) ctx.metric(key, value);
  return { ...numbers, isShape: true, label: label.title };
}

const COLUMNS = [
  { key: "strategy", title: "strategy", type: "text" },
  { key: "slots", title: "slots", type: "number" },
  { key: "share", title: "of experts", unit: "%", type: "number" },
  { key: "memory", title: "expert memory", unit: "MB", type: "number" },
  { key: "speed", title: "speed", unit: "tok/s", type: "number" },
  { key: "median", title: "median", unit: "ms", type: "number" },
  { key: "hits", title: "hits", unit: "%", type: "number" },
  { key: "late", title: "on their way", unit: "%", type: "number" },
  { key: "onCpu", title: "on the CPU", unit: "%", type: "number" },
  { key: "missed", title: "missed", unit: "MB/token", type: "number" },
  { key: "loaded", title: "loaded", unit: "MB/token", type: "number" },
  { key: "waiting", title: "waiting", unit: "ms/token", type: "number" },
  { key: "copying", title: "copying", unit: "ms/token", type: "number" },
  { key: "hidden", title: "hidden", unit: "%", type: "number" },
  { key: "hiddenAhead", title: "hidden, made ahead", unit: "%", type: "number" },
  { key: "bound", title: "bound", unit: "ms", type: "number" },
  { key: "ofBound", title: "of the bound", unit: "%", type: "number" },
  { key: "overFate", title: "over Fate", unit: "x", type: "number" },
  { key: "overFateLow", title: "from (95 %)", unit: "x", type: "number" },
  { key: "overFateHigh", title: "to", unit: "x", type: "number" },
] as const;

function tellResident({ splitMs, wholeMs }: ShapeResult["resident"]): string {
  const whole = wholeMs === undefined ? "" : `, ${wholeMs.toFixed(3)} ms as one graph`;
  return `${splitMs.toFixed(3)} ms a token with one graph a layer${whole}`;
}

function tellCpu(
  { cpuExperts }: ShapeConfig,
  { resident }: ShapeResult,
  { expertMs, layerMs }: CpuTimes,
): string {
  const { choice, threads } = cpuExperts;
  const beside = resident.besideCpuMs?.toFixed(3);
  return (
    `${expertMs.toFixed(3)} ms an expert and ${layerMs.toFixed(3)} ms a layer on ${threads} ` +
    `threads, choice ${choice}; ${beside} ms a token with graphs that the CPU may add to`
  );
}

/** Tokens whose times are summed before strategies are compared: neighbours are alike. */
const BLOCK_TOKENS = 16;
/** Fewer say nothing of their spread. */
const BLOCKS_MIN = 3;

/** Speed over Fate's under the same budget, paired by blocks of tokens, with its 95 % interval. */
function overFate(cell: CellResult, cells: readonly CellResult[]) {
  const fate = cells.find((one) => one.strategy === "fate" && one.slots === cell.slots);
  if (!fate || fate === cell || cell.stepMs.length < BLOCKS_MIN * BLOCK_TOKENS) return undefined;
  return pairedRatioCi(blocksOf(fate.stepMs), blocksOf(cell.stepMs));
}

function blocksOf(values: readonly number[]): number[] {
  const blocks: number[] = [];
  for (let first = 0; first + BLOCK_TOKENS <= values.length; first += BLOCK_TOKENS) {
    blocks.push(mean(values.slice(first, first + BLOCK_TOKENS)));
  }
  return blocks;
}

function nameOf({ slots, strategy }: CellResult): string {
  return `${titleOf(strategy)}, ${slots} slots`;
}

function tableOf({ cells, expertBytes, expertTotal }: ShapeResult): SeriesInput {
  return {
    kind: "table",
    columns: [...COLUMNS],
    rows: cells.map((cell) => {
      const ratio = overFate(cell, cells);
      return {
        strategy: cell.plan ? `Planned: ${cell.plan.title}` : titleOf(cell.strategy),
        slots: cell.slots,
        share: (100 * cell.slots) / expertTotal,
        memory: (cell.slots * expertBytes) / 1e6,
        speed: cell.tokensPerSecond,
        median: median(cell.stepMs),
        hits: 100 * cell.hitRate,
        late: 100 * cell.lateRate,
        onCpu: 100 * cell.cpuRate,
        missed: cell.missedBytes / 1e6,
        loaded: cell.loadedBytes / 1e6,
        waiting: cell.waitMs,
        copying: cell.copyMs,
        hidden: 100 * cell.hiddenShare,
        hiddenAhead: 100 * cell.hiddenAheadShare,
        bound: cell.boundMs,
        ofBound: 100 * cell.boundShare,
        overFate: ratio?.ratio ?? null,
        overFateLow: ratio?.low ?? null,
        overFateHigh: ratio?.high ?? null,
      };
    }),
  };
}

function foresightTable({ cells, foresight }: ShapeResult): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "slots", title: "slots", type: "number" },
      { key: "known", title: "known", type: "text" },
      { key: "speed", title: "speed", unit: "tok/s", type: "number" },
      { key: "missed", title: "missed", unit: "MB/token", type: "number" },
      { key: "bound", title: "its bound", unit: "ms", type: "number" },
      { key: "ofBound", title: "of its bound", unit: "%", type: "number" },
      { key: "fastest", title: "fastest strategy", unit: "tok/s", type: "number" },
    ],
    rows: foresight.map((one) => ({
      slots: one.slots,
      known: one.title,
      speed: 1000 / one.tokenMs,
      missed: one.missedBytes / 1e6,
      bound: one.boundMs,
      ofBound: 100 * one.boundShare,
      fastest: Math.max(
        ...cells.flatMap((cell) => (cell.slots === one.slots ? [cell.tokensPerSecond] : [])),
      ),
    })),
  };
}

function frontOf(cells: readonly CellResult[]): SeriesInput {
  const strategies = [...new Set(cells.map(({ strategy }) => strategy))];
  return {
    kind: "scatter",
    x: { label: "experts in fast memory" },
    y: { label: "decode speed", unit: "tok/s", better: "higher" },
    groups: strategies.map((strategy) => ({
      name: titleOf(strategy),
      points: cells
        .filter((cell) => cell.strategy === strategy)
        .map(({ slots, tokensPerSecond }) => ({ x: slots, y: tokensPerSecond })),
    })),
  };
}

/** Geometric mean over budgets of one strategy's speed over another's; 0 without both. */
function ratioOf(cells: readonly CellResult[], of: CellStrategy, over: CellStrategy): number {
  const speed = (strategy: CellStrategy, slots: number) =>
    cells.find((cell) => cell.strategy === strategy && cell.slots === slots)?.tokensPerSecond;
  const ratios = [...new Set(cells.map(({ slots }) => slots))].flatMap((slots) => {
    const [a, b] = [speed(of, slots), speed(over, slots)];
    return a === undefined || b === undefined ? [] : [Math.log(a / b)];
  });
  if (ratios.length === 0) return 0;
  return Math.exp(ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length);
}
