import type { FinishedLoad } from "../offload/lane.ts";
import type { CpuTimes } from "../offload/miss-costs.ts";
import type { OffloadedModel } from "../offload/offloaded-model.ts";
import { STRATEGIES, type StrategyName } from "../offload/strategies.ts";
import { waysOf } from "./cell-cpu.ts";
import { openCell } from "./open-cell.ts";
import { Overlap } from "./overlap.ts";
import { type PhaseTimes, paced } from "./pace.ts";
import { type PlannedStrategy, planCell } from "./plan-cell.ts";
import type { ShapeBench } from "./shape-job.ts";

/** A strategy by name, or what a plan chooses for the cell. */
export type CellStrategy = StrategyName | "planned";

/** What a cell's strategy is called. */
export function titleOf(strategy: CellStrategy): string {
  return strategy === "planned" ? "Planned" : STRATEGIES[strategy].title;
}

function titleOfPlan({ cpuExperts, title }: PlannedStrategy): string {
  return cpuExperts ? `${title}, misses shared with the CPU` : title;
}

/** One strategy under one budget. */
export interface CellResult {
  readonly strategy: CellStrategy;
  /** What the plan has chosen, and the speed it expects, tokens/s. */
  readonly plan?: { readonly title: string; readonly predicted: number };
  readonly slots: number;
  /** By counted token, in the order of the texts. */
  readonly stepMs: readonly number[];
  readonly tokensPerSecond: number;
  /** Chosen experts that lay in a slot, and that were on their way; of all chosen. */
  readonly hitRate: number;
  readonly lateRate: number;
  /** Chosen experts that the CPU computed, of all chosen. */
  readonly cpuRate: number;
  /** Bytes a token of experts that had to come over the link to be used: the CPU's did not. */
  readonly missedBytes: number;
  readonly loadedBytes: number;
  readonly waitMs: number;
  /** Of copies: time a token, and the share of it in which something was computed. */
  readonly copyMs: number;
  readonly hiddenShare: number;
  /** The same share of copies made ahead of demand, those that can be hidden. */
  readonly hiddenAheadShare: number;
  /** `max(compute, missed bytes / link)` a token, and its share of the time taken. */
  readonly boundMs: number;
  readonly boundShare: number;
}

/** All experts resident. */
export interface ResidentResult {
  /** A token as one graph, its own routers choosing, ms, median; undefined: it does not fit. */
  readonly wholeMs: number | undefined;
  /** A token as one graph a layer, what the router says read back, ms, median. */
  readonly splitMs: number;
  /** The same with graphs that the CPU could add to, though it computes none; undefined without. */
  readonly besideCpuMs: number | undefined;
}

/** What was measured of the machine before. */
export interface MeasuredMachine {
  /** A token with all experts resident, one graph a layer, ms. */
  readonly computeMs: number;
  readonly linkMBps: number;
  /** Experts on the CPU, and a token as `computeMs` with graphs that the CPU may add to. */
  readonly cpu: (CpuTimes & { readonly computeMs: number }) | undefined;
}

/** Times with every expert in a slot. */
export function runResident(bench: ShapeBench): ResidentResult {
  const { threads } = bench.job.cpuExperts;
  const besideCpuMs = threads > 0 ? onResident(bench, threads, splitMsOf) : undefined;
  return onResident(bench, 0, (own) => {
    const wholeMs = medianOf(decode(own, bench, undefined).stepMs);
    own.engine.reset();
    return { wholeMs, splitMs: splitMsOf(own, bench), besideCpuMs };
  });
}

/** Opens the shape with every expert in a slot. @param cpuThreads  0: the CPU computes none */
function onResident<T>(
  bench: ShapeBench,
  cpuThreads: number,
  run: (model: OffloadedModel, bench: ShapeBench) => T,
): T {
  const { classes, expertCount, moeLayers } = bench.layout;
  const slots = moeLayers.length * expertCount + (cpuThreads > 0 ? classes.length : 0);
  const model = openCell(bench, ALL_RESIDENT, slots, {
    linkMBps: 0,
    ownRouting: true,
    ...(cpuThreads > 0 && { cpuExperts: { threads: cpuThreads, choice: "always" } }),
  });
  try {
    return run(model, bench);
  } finally {
    model.close();
  }
}

function splitMsOf(model: OffloadedModel, bench: ShapeBench): number {
  model.engine.onLayer = paced(bench.job.layerMs, bench.nowMs, { waitMs: 0 });
  return medianOf(decode(model, bench, undefined).stepMs);
}

/** Decodes the texts of the trace with one strategy. */
export function runCell(
  bench: ShapeBench,
  strategy: CellStrategy,
  slots: number,
  machine: MeasuredMachine,
): CellResult {
  const overlap = new Overlap();
  const { job } = bench;
  const plan = strategy === "planned" ? planCell(bench, slots, machine) : undefined;
  const chosen = strategy === "planned" ? plan?.strategy : STRATEGIES[strategy];
  const model = openCell(bench, chosen ?? STRATEGIES.lru, slots, {
    linkMBps: job.linkMBps,
    cpuExperts: plan ? plan.cpuExperts : waysOf(job.cpuExperts, false)[0],
    onLoad: (load: FinishedLoad) => overlap.load(load),
  });
  try {
    const times: PhaseTimes = { waitMs: 0 };
    const nowMs = () => model.lane?.nowMs() ?? bench.nowMs();
    const pace = paced(job.layerMs, nowMs, times);
    model.engine.onLayer = (phase, layer) => {
      overlap.phase(phase, nowMs());
      pace(phase, layer);
    };
    return {
      ...cellOf(bench, model, { strategy, slots, times, overlap, machine }),
      ...(plan && { plan: { title: titleOfPlan(plan), predicted: plan.predicted } }),
    };
  } finally {
    model.close();
  }
}

function cellOf(
  bench: ShapeBench,
  model: OffloadedModel,
  run: {
    strategy: CellStrategy;
    slots: number;
    times: PhaseTimes;
    overlap: Overlap;
    machine: MeasuredMachine;
  },
): CellResult {
  const { machine, overlap, slots, strategy, times } = run;
  const { counts } = model.scheduler;
  const start = { ...counts, waitMs: 0, bytes: 0 };
  const begin = () => {
    Object.assign(start, counts, { waitMs: times.waitMs });
    start.bytes = model.lane?.counts().deliveredBytes ?? 0;
    overlap.begin();
  };
  const sums = { uses: 0, hits: 0, late: 0, cpu: 0, bytes: 0, missed: 0, waitMs: 0 };
  const end = () => {
    sums.uses += counts.uses - start.uses;
    sums.hits += counts.hits - start.hits;
    sums.late += counts.lateHits - start.lateHits;
    sums.cpu += counts.cpuComputed - start.cpuComputed;
    const used = counts.prefetchesUsed - start.prefetchesUsed;
    sums.missed += counts.demanded - start.demanded + used;
    sums.bytes += (model.lane?.counts().deliveredBytes ?? 0) - start.bytes;
    sums.waitMs += times.waitMs - start.waitMs;
    overlap.end();
  };
  const { stepMs } = decode(model, bench, { begin, end });
  const tokens = stepMs.length;
  const meanMs = stepMs.reduce((sum, ms) => sum + ms, 0) / tokens;
  const missedBytes = (sums.missed * bench.layout.expertBytes) / tokens;
  const boundMs = Math.max(machine.computeMs, missedBytes / 1e3 / machine.linkMBps);
  return {
    strategy,
    slots,
    stepMs,
    tokensPerSecond: 1000 / meanMs,
    hitRate: sums.hits / sums.uses,
    lateRate: sums.late / sums.uses,
    cpuRate: sums.cpu / sums.uses,
    missedBytes,
    loadedBytes: sums.bytes / tokens,
    waitMs: sums.waitMs / tokens,
    copyMs: overlap.copyMs / tokens,
    hiddenShare: overlap.hiddenShare,
    hiddenAheadShare: overlap.hiddenAheadShare,
    boundMs,
    boundShare: boundMs / meanMs,
  };
}

/** What is told of the counted part of each text. */
interface Counting {
  begin(): void;
  end(): void;
}

function decode(
  model: OffloadedModel,
  { host, job, nowMs }: ShapeBench,
  counting: Counting | undefined,
): { stepMs: number[] } {
  const stepMs: number[] = [];
  for (let sequence = 0; sequence < job.sequences; sequence++) {
    model.engine.reset();
    for (let position = 0; position < job.tokens; position++) {
      if (position % 16 === 0) host.throwIfCancelled();
      if (position === job.warmupTokens) counting?.begin();
      const startMs = nowMs();
      model.engine.decode(1 + ((sequence * 7919 + position * 104_729) % TOKENS));
      if (position >= job.warmupTokens) stepMs.push(nowMs() - startMs);
    }
    counting?.end();
  }
  return { stepMs };
}

/** Tokens whose embeddings are entered; every vocabulary has more. */
const TOKENS = 30_000;

const ALL_RESIDENT = {
  policy: "all-resident",
  predictor: "none",
  prefetch: { control: "off", width: 0, depth: 1 },
  readyFirst: false,
} as const;

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
