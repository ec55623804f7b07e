import {
  type MetricAxes,
  type RunContext,
  SERIES_LIMITS,
  type SeriesInput,
  type Summary,
} from "@fmlab/experiment";
import { mean, median } from "@fmlab/stats";
import type { PrefillConfig } from "../definitions/prefill.ts";
import type { PrefillCell, PrefillRecord, PrefillResult } from "./messages.ts";
import type { StreamFacts } from "./stream-session.ts";

const MIB = 1_048_576;

/** What is told of a cell. */
interface CellNumbers {
  readonly cell: PrefillCell;
  readonly label: string;
  readonly tokensPerSecond: number;
  readonly wavesMs: number;
  readonly residentMs: number;
  readonly boundMs: number;
  readonly boundShare: number;
  readonly missedBytes: number;
  readonly loadedBytes: number;
  /** Of low precision: its share of uses in percent, and what it cost. */
  readonly lowPrecisionRate: number;
  readonly meanKl: number;
  readonly maxKl: number;
  readonly argmaxAgreement: number;
}

/** Turns the cells of a prefill run into metrics, pictures and the summary. */
export class PrefillReport {
  readonly #ctx: RunContext;
  readonly #config: PrefillConfig;
  readonly #cells: CellNumbers[] = [];
  #facts: StreamFacts | undefined;

  constructor(ctx: RunContext, config: PrefillConfig) {
    this.#ctx = ctx;
    this.#config = config;
  }

  opened(facts: StreamFacts): void {
    this.#facts = facts;
    this.#ctx.log(
      `${facts.modelName} (${facts.architecture}): ${facts.layerCount} layers of ` +
        `${facts.expertCount} experts, top-${facts.expertUsedCount}`,
    );
    this.#ctx.note("readMode", facts.readMode);
    this.#ctx.note("device", facts.deviceName);
  }

  makingTwins(done: number, total: number): void {
    this.#ctx.progress(done, total, "making low-precision copies of the experts");
  }

  cell(cell: PrefillCell): void {
    const ctx = this.#ctx;
    const numbers = numbersOf(cell);
    const axes = { step: this.#cells.length };
    this.#cells.push(numbers);
    ctx.metric("prefillTokensPerSecond", numbers.tokensPerSecond, axes);
    ctx.metric("boundShare", numbers.boundShare, axes);
    ctx.metric("missedBytes", numbers.missedBytes, axes);
    ctx.metric("loadedBytes", numbers.loadedBytes, axes);
    ctx.metric("waitMs", mean(cell.prompts.map(({ times }) => times.waitMs)), axes);
    if (this.#isLossy) this.#tellLost(numbers, axes);
    ctx.series("cells", tableOf(this.#cells));
    ctx.log(
      `${numbers.label}: ${numbers.tokensPerSecond.toFixed(0)} tok/s, ` +
        `${numbers.boundShare.toFixed(1)} % of the bound`,
    );
    const { promptTokens, budgetsMiB, linksMBps } = this.#config;
    const total = promptTokens.length * budgetsMiB.length * linksMBps.length;
    ctx.progress(this.#cells.length, total, numbers.label);
  }

  get #isLossy(): boolean {
    return this.#config.mixture.rate > 0;
  }

  #tellLost({ argmaxAgreement, lowPrecisionRate, meanKl }: CellNumbers, axes: MetricAxes): void {
    this.#ctx.metric("lowPrecisionRate", lowPrecisionRate, axes);
    this.#ctx.metric("meanKl", meanKl, axes);
    this.#ctx.metric("argmaxAgreement", argmaxAgreement, axes);
  }

  /** What low precision cost, over the prompts of all cells. */
  #lost(prompts: readonly PrefillRecord[]): Summary {
    if (!this.#isLossy) return { lossy: false };
    const lost = lostIn(prompts);
    const { low, rate } = this.#config.mixture;
    this.#ctx.note("lossy", `unpopular experts, at most ${rate} of uses, are computed in ${low}`);
    this.#ctx.metric("maxKl", lost.maxKl);
    return { lossy: true, ...lost };
  }

  /** Draws the pictures and returns the summary. */
  finish({ timeline }: PrefillResult): Summary {
    const ctx = this.#ctx;
    const prompts = this.#cells.flatMap(({ cell }) => cell.prompts);
    const sameBits = (100 * prompts.filter(({ isSame }) => isSame).length) / prompts.length;
    ctx.metric("sameBits", sameBits);
    ctx.series("front", frontOf(this.#cells));
    ctx.series("time", barsOf(distinctLabels(this.#cells)));
    const zero = Math.min(...timeline.events.map(({ startMs }) => startMs));
    ctx.series("pipeline", {
      kind: "timeline",
      lanes: timeline.lanes,
      events: timeline.events.map((event) => ({
        ...event,
        startMs: event.startMs - zero,
        endMs: event.endMs - zero,
      })),
      note: "the last prompt of the last cell",
    });
    const of = (take: (numbers: CellNumbers) => number) => median(this.#cells.map(take));
    return {
      prefillTokensPerSecond: of(({ tokensPerSecond }) => tokensPerSecond),
      boundShare: of(({ boundShare }) => boundShare),
      missedBytes: of(({ missedBytes }) => missedBytes),
      loadedBytes: of(({ loadedBytes }) => loadedBytes),
      waitMs: of(({ cell }) => mean(cell.prompts.map(({ times }) => times.waitMs))),
      sameBits,
      ...this.#lost(prompts),
      cells: this.#cells.map(({ cell, ...numbers }) => ({
        promptTokens: cell.promptTokens,
        budgetBytes: cell.budgetBytes,
        slotCount: cell.facts.slotCount,
        bandwidthMBps: cell.link.bandwidthMBps,
        ...numbers,
      })),
      model: this.#facts && { name: this.#facts.modelName, architecture: this.#facts.architecture },
      readMode: this.#facts?.readMode,
    };
  }
}

function numbersOf(cell: PrefillCell): CellNumbers {
  const of = (take: (record: PrefillRecord) => number) => median(cell.prompts.map(take));
  const wavesMs = of((record) => record.wavesMs);
  return {
    cell,
    label: [tellTokens, tellSlots, tellLink].map((tell) => tell(cell)).join(", "),
    tokensPerSecond: (1e3 * cell.promptTokens) / wavesMs,
    wavesMs,
    residentMs: of((record) => record.residentMs),
    boundMs: of((record) => record.boundMs),
    // Both of a pair were measured one after the other, on a machine whose speed drifts.
    boundShare: of((record) => (100 * record.boundMs) / record.wavesMs),
    missedBytes: mean(cell.prompts.map((record) => record.missedBytes)),
    loadedBytes: mean(cell.prompts.map((record) => record.times.bytes)),
    ...lostIn(cell.prompts),
  };
}

const tellTokens = ({ promptTokens }: PrefillCell) => `${promptTokens} tokens`;
const tellSlots = ({ facts }: PrefillCell) => `${facts.slotCount} slots`;
const tellLink = ({ link: { bandwidthMBps } }: PrefillCell) =>
  bandwidthMBps > 0 ? `${bandwidthMBps} MB/s` : "no limit";

/** Numbers of low precision over prompts; rates in percent. */
function lostIn(prompts: readonly PrefillRecord[]) {
  return {
    lowPrecisionRate: 100 * mean(prompts.map(({ lowShare }) => lowShare)),
    meanKl: mean(prompts.map(({ kl }) => kl)),
    maxKl: Math.max(...prompts.map(({ kl }) => kl)),
    argmaxAgreement: 100 * mean(prompts.map(({ isAgreed }) => (isAgreed ? 1 : 0))),
  };
}

function tableOf(cells: readonly CellNumbers[]): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "cell", title: "Cell", type: "number" },
      { key: "promptTokens", title: "Prompt", unit: "tokens", type: "number" },
      { key: "budgetMiB", title: "Budget", unit: "MiB", type: "number" },
      { key: "slots", title: "Slots", type: "number" },
      { key: "link", title: "Link", unit: "MB/s", type: "number" },
      { key: "tokensPerSecond", title: "Speed", unit: "tok/s", type: "number" },
      { key: "wavesMs", title: "In waves", unit: "ms", type: "number" },
      { key: "residentMs", title: "All resident", unit: "ms", type: "number" },
      { key: "boundMs", title: "Bound", unit: "ms", type: "number" },
      { key: "boundShare", title: "Share of the bound", unit: "%", type: "number" },
      { key: "missedMiB", title: "Missed", unit: "MiB", type: "number" },
      { key: "loadedMiB", title: "Loaded", unit: "MiB", type: "number" },
    ],
    rows: cells.map(({ cell, ...numbers }, index) => ({
      cell: index,
      promptTokens: cell.promptTokens,
      budgetMiB: cell.budgetBytes / MIB,
      slots: cell.facts.slotCount,
      link: cell.link.bandwidthMBps,
      tokensPerSecond: numbers.tokensPerSecond,
      wavesMs: numbers.wavesMs,
      residentMs: numbers.residentMs,
      boundMs: numbers.boundMs,
      boundShare: numbers.boundShare,
      missedMiB: numbers.missedBytes / MIB,
      loadedMiB: numbers.loadedBytes / MIB,
    })),
  };
}

function frontOf(cells: readonly CellNumbers[]): SeriesInput {
  const groups = new Map<string, { x: number; y: number; label: string }[]>();
  for (const { cell, tokensPerSecond } of cells) {
    const name = `${tellTokens(cell)}, ${tellLink(cell)}`;
    const points = groups.get(name) ?? [];
    points.push({ x: cell.budgetBytes / MIB, y: tokensPerSecond, label: tellSlots(cell) });
    groups.set(name, points);
  }
  return {
    kind: "scatter",
    x: { label: "Memory for experts", unit: "MiB", better: "lower" },
    y: { label: "Prefill speed", unit: "tok/s", better: "higher" },
    groups: [...groups].map(([name, points]) => ({ name, joined: true, points })),
    front: true,
  };
}

/** As many cells as bars can show, each label once: two budgets may give the same slots. */
function distinctLabels(cells: readonly CellNumbers[]): CellNumbers[] {
  const byLabel = new Map(cells.map((numbers) => [numbers.label, numbers]));
  return [...byLabel.values()].slice(0, SERIES_LIMITS.barCategories);
}

/** What all cells have in common, and by cell the rest: labels under bars have little room. */
function splitLabels(cells: readonly CellNumbers[]): { common: string; labels: string[] } {
  const parts = [tellTokens, tellSlots, tellLink];
  const isCommon = parts.map((tell) => new Set(cells.map(({ cell }) => tell(cell))).size === 1);
  const told = (cell: PrefillCell, wanted: boolean) =>
    parts
      .filter((_, index) => isCommon[index] === wanted)
      .map((tell) => tell(cell))
      .join(", ");
  const [first] = cells;
  if (first === undefined || cells.length === 1) {
    return { common: "", labels: cells.map(({ label }) => label) };
  }
  return { common: told(first.cell, true), labels: cells.map(({ cell }) => told(cell, false)) };
}

function barsOf(cells: readonly CellNumbers[]): SeriesInput {
  const { common, labels } = splitLabels(cells);
  const part = (name: string, take: (record: PrefillRecord) => number) => ({
    name,
    values: cells.map(({ cell }) => mean(cell.prompts.map(take))),
  });
  return {
    kind: "bars",
    categoryLabel: "cell",
    categories: labels,
    note: common,
    valueLabel: "time of a prompt",
    valueUnit: "ms",
    arrangement: "stacked",
    groups: [
      part("attention and router", ({ times }) => times.attentionMs),
      part("experts", ({ times }) => times.expertsMs),
      part("head", ({ times }) => times.headMs),
      part("waiting", ({ times }) => times.waitMs),
      part("other", ({ times, wavesMs }) =>
        Math.max(0, wavesMs - times.attentionMs - times.expertsMs - times.headMs - times.waitMs),
      ),
    ],
  };
}
