import type { RunContext, SeriesInput, Summary } from "@fmlab/experiment";
import { mean, median, pairedRatioCi } from "@fmlab/stats";
import type { ShapePrefillConfig } from "../definitions/shape-prefill.ts";
import type { PrefillCellResult, ShapePrefillResult } from "./prefill-job.ts";
import { PREFILL_TITLES, type PrefillStrategyName } from "./prefill-names.ts";

/** Draws the pictures of prompts over a shape, and returns the run's summary. */
export function reportPrefill(
  ctx: RunContext,
  config: ShapePrefillConfig,
  result: ShapePrefillResult,
): Summary {
  const { cells, label } = result;
  ctx.log(label.title);
  ctx.note("shape", label.title);
  label.notes.forEach((note, index) => {
    ctx.note(`shape.${index + 1}`, note);
  });
  ctx.note("device", result.deviceName);
  if (config.layerMs > 0 || config.linkMBps > 0) {
    ctx.note("emulated", `layers of ${config.layerMs} ms at least, link ${config.linkMBps} MB/s`);
  }
  ctx.note("resident", tellResident(result));
  ctx.series("cells", tableOf(result));
  ctx.series("front", frontOf(cells));
  ctx.series("speed", speedBars(cells));
  const numbers = numbersOf(result);
  for (const [key, value] of Object.entries(numbers)) ctx.metric(key, value);
  return { ...numbers, isShape: true, label: label.title };
}

function numbersOf({ cells, measuredLinkMBps, resident }: ShapePrefillResult) {
  const ours = cells.some(({ strategy }) => strategy === "planned") ? "planned" : "waves";
  const lows = cells
    .filter(({ strategy }) => strategy === ours)
    .flatMap((cell) => overFate(cell, cells)?.low ?? []);
  const [longest] = [...resident].sort((a, b) => b.promptTokens - a.promptTokens);
  const oursOverFate = ratioOf(cells, ours, "fate");
  const fateOverLoadOnDemand = ratioOf(cells, "fate", "load-on-demand");
  const fateOverMoeInfinity = ratioOf(cells, "fate", "moe-infinity");
  return {
    prefillTokensPerSecond: median(cells.map(speedOf)),
    linkMBps: measuredLinkMBps,
    boundShare: 100 * median(cells.map(({ boundShare }) => boundShare)),
    ...(longest && {
      residentTokensPerSecond: (1000 * longest.promptTokens) / mean(longest.promptMs),
    }),
    ...(oursOverFate && { oursOverFate }),
    ...(lows.length > 0 && { oursOverFateLow: Math.min(...lows) }),
    ...(fateOverLoadOnDemand && { fateOverLoadOnDemand }),
    ...(fateOverMoeInfinity && { fateOverMoeInfinity }),
  };
}

function tellResident({ resident }: ShapePrefillResult): string {
  return resident
    .map(
      ({ promptMs, promptTokens }) => `${promptTokens} tokens in ${mean(promptMs).toFixed(2)} ms`,
    )
    .join(", ");
}

const COLUMNS = [
  { key: "strategy", title: "Strategy", type: "text" },
  { key: "promptTokens", title: "Prompt", unit: "tokens", type: "number" },
  { key: "slots", title: "Slots", type: "number" },
  { key: "share", title: "Of all experts", unit: "%", type: "number" },
  { key: "memory", title: "Expert memory", unit: "MB", type: "number" },
  { key: "speed", title: "Speed", unit: "tok/s", type: "number" },
  { key: "time", title: "A prompt", unit: "ms", type: "number" },
  { key: "missed", title: "Missed", unit: "MB", type: "number" },
  { key: "loaded", title: "Loaded", unit: "MB", type: "number" },
  { key: "waiting", title: "Waiting", unit: "ms", type: "number" },
  { key: "copying", title: "Copying", unit: "ms", type: "number" },
  { key: "hidden", title: "Hidden", unit: "%", type: "number" },
  { key: "bound", title: "Bound", unit: "ms", type: "number" },
  { key: "ofBound", title: "Of the bound", unit: "%", type: "number" },
  { key: "overFate", title: "Over Fate", unit: "x", type: "number" },
  { key: "overFateLow", title: "From (95 %)", unit: "x", type: "number" },
  { key: "overFateHigh", title: "To", unit: "x", type: "number" },
] as const;

function tableOf({ cells, expertBytes, expertTotal }: ShapePrefillResult): SeriesInput {
  return {
    kind: "table",
    columns: [...COLUMNS],
    rows: cells.map((cell) => {
      const ratio = overFate(cell, cells);
      return {
        strategy: titleOf(cell),
        promptTokens: cell.promptTokens,
        slots: cell.slots,
        share: (100 * cell.slots) / expertTotal,
        memory: (cell.slots * expertBytes) / 1e6,
        speed: speedOf(cell),
        time: mean(cell.promptMs),
        missed: cell.missedBytes / 1e6,
        loaded: cell.loadedBytes / 1e6,
        waiting: cell.waitMs,
        copying: cell.copyMs,
        hidden: 100 * cell.hiddenShare,
        bound: cell.boundMs,
        ofBound: 100 * cell.boundShare,
        overFate: ratio?.ratio ?? null,
        overFateLow: ratio?.low ?? null,
        overFateHigh: ratio?.high ?? null,
      };
    }),
  };
}

function frontOf(cells: readonly PrefillCellResult[]): SeriesInput {
  const groups = new Map<string, { x: number; y: number }[]>();
  for (const cell of cells) {
    const name = `${PREFILL_TITLES[cell.strategy]}, ${cell.promptTokens} tokens`;
    const points = groups.get(name) ?? [];
    points.push({ x: cell.slots, y: speedOf(cell) });
    groups.set(name, points);
  }
  return {
    kind: "scatter",
    x: { label: "experts in fast memory" },
    y: { label: "prefill speed", unit: "tok/s", better: "higher" },
    groups: [...groups].map(([name, points]) => ({
      name,
      joined: true,
      points: points.sort((one, other) => one.x - other.x),
    })),
  };
}

function titleOf({ plan, strategy }: PrefillCellResult): string {
  return plan ? `Planned: ${PREFILL_TITLES[plan.name]}` : PREFILL_TITLES[strategy];
}

/** Strategies side by side at each budget and length. */
function speedBars(cells: readonly PrefillCellResult[]): SeriesInput {
  const nameOf = ({ slots, promptTokens }: PrefillCellResult) =>
    `${slots} slots, ${promptTokens} tokens`;
  const categories = [...new Set(cells.map(nameOf))];
  const strategies = [...new Set(cells.map(({ strategy }) => strategy))];
  return {
    kind: "bars",
    categoryLabel: "experts in fast memory, tokens of a prompt",
    categories,
    valueLabel: "prefill speed",
    valueUnit: "tok/s",
    groups: strategies.map((strategy) => ({
      name: PREFILL_TITLES[strategy],
      values: categories.map((category) => {
        const found = cells.find((one) => one.strategy === strategy && nameOf(one) === category);
        return found === undefined ? null : speedOf(found);
      }),
    })),
  };
}

function speedOf({ promptMs, promptTokens }: PrefillCellResult): number {
  return (1000 * promptTokens) / mean(promptMs);
}

/** Fewer prompts say nothing of their spread. */
const PROMPTS_MIN = 3;

/** Speed over Fate's with the same slots and prompts, with its 95 % interval. */
function overFate(cell: PrefillCellResult, cells: readonly PrefillCellResult[]) {
  const fate = partnerOf(cell, cells, "fate");
  if (!fate || fate === cell || cell.promptMs.length < PROMPTS_MIN) return undefined;
  return pairedRatioCi([...fate.promptMs], [...cell.promptMs]);
}

/** Geometric mean of the ratios of speeds over cells that both strategies have. */
function ratioOf(
  cells: readonly PrefillCellResult[],
  over: PrefillStrategyName,
  under: PrefillStrategyName,
): number | undefined {
  const logs = cells
    .filter(({ strategy }) => strategy === over)
    .flatMap((cell) => {
      const other = partnerOf(cell, cells, under);
      return other ? [Math.log(speedOf(cell) / speedOf(other))] : [];
    });
  return logs.length === 0 ? undefined : Math.exp(mean(logs));
}

function partnerOf(
  { promptTokens, slots }: PrefillCellResult,
  cells: readonly PrefillCellResult[],
  strategy: PrefillStrategyName,
): PrefillCellResult | undefined {
  return cells.find(
    (one) => one.strategy === strategy && one.slots === slots && one.promptTokens === promptTokens,
  );
}
