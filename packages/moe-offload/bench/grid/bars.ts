import { pairedRatioCi } from "@fmlab/stats";
import type { Calibration } from "../../src/calibration/calibration.ts";
import { POLICIES } from "../../src/policies/registry.ts";
import { TraceFuture } from "../../src/replay/future.ts";
import { countHits } from "../../src/replay/hits.ts";
import { type CellResult, strategyOf } from "./report.ts";
import type { Workload } from "./workloads.ts";

/** Something that must hold, and what was found. */
export interface Bar {
  readonly text: string;
  readonly holds: boolean;
}

/**
 * Judges the teacher-forced cells.
 *
 * @param long  a longer piece of the same text, for hit rates
 */
export function judge(
  cells: readonly CellResult[],
  calibration: Calibration,
  long: Workload | undefined,
): Bar[] {
  const forced = cells.filter(({ workload }) => workload === "prose");
  return [
    ...forced.flatMap(predictionBars),
    ...forced.flatMap(neverWorse),
    ...forced.flatMap(wellBetter),
    ...(long ? [gapBar(calibration, long)] : []),
  ];
}

function label(cell: CellResult): string {
  return `${cell.percent} %, ${cell.linkMBps} MB/s`;
}

/** LRU and Fate over load on demand, against the replayer. */
function predictionBars(cell: CellResult): Bar[] {
  if (cell.linkMBps > 400) return [];
  const demand = strategyOf(cell, "load-on-demand");
  return ["lru", "fate"].map((name) => {
    const one = strategyOf(cell, name);
    const real = one.meanTokensPerSecond / demand.meanTokensPerSecond;
    const predicted = (one.predicted ?? 0) / (demand.predicted ?? 1);
    const text =
      `${label(cell)}: ${name} over load on demand ${real.toFixed(2)}x, ` +
      `replay ${predicted.toFixed(2)}x (within 20 %)`;
    return { text, holds: Math.abs(real / predicted - 1) <= 0.2 };
  });
}

/** Ours against everything published, by the lower bound of the paired ratio. */
function neverWorse(cell: CellResult): Bar[] {
  const others = cell.strategies.filter(({ name }) => name !== "ours" && name !== "all-resident");
  const worst = others
    .map(({ name }) => ({ name, low: lowerBound(cell, name) }))
    .reduce((a, b) => (b.low < a.low ? b : a));
  const text =
    `${label(cell)}: ours over the best published (${worst.name}) at least ` +
    `${worst.low.toFixed(2)} (bar 0.97)`;
  return [{ text, holds: worst.low >= 0.97 }];
}

function wellBetter(cell: CellResult): Bar[] {
  const bars: Bar[] = [];
  const expectLead = (name: string, least: number) => {
    const low = lowerBound(cell, name);
    const text = `${label(cell)}: ours over ${name} at least ${low.toFixed(2)} (bar ${least})`;
    bars.push({ text, holds: low >= least });
  };
  const { linkMBps, percent } = cell;
  if (percent === 50 && linkMBps <= 400) expectLead("fate", 1.2);
  if ((linkMBps === 1600 && percent <= 50) || (linkMBps === 3200 && percent === 25)) {
    expectLead("lru", 1.15);
  } else {
    const lru = strategyOf(cell, "lru").stallMsPerToken;
    const removed = 1 - strategyOf(cell, "ours").stallMsPerToken / lru;
    const text = `${label(cell)}: ours removes ${(100 * removed).toFixed(0)} % of LRU's stall`;
    bars.push({ text, holds: true });
  }
  return bars;
}

function lowerBound(cell: CellResult, name: string): number {
  const ours = strategyOf(cell, "ours").tokensPerSecond;
  return pairedRatioCi(ours, strategyOf(cell, name).tokensPerSecond).low;
}

/** Share of the gap between LRU's and Belady's hit rate that ours closes without prefetching. */
function gapBar(calibration: Calibration, { trace }: Workload): Bar {
  const all = trace.shape.moeLayers.length * trace.shape.expertCount;
  const slotCount = Math.floor(all / 2);
  const warmupTokens = 480;
  const rate = (name: "lru" | "reuse" | "belady") => {
    const knowledge = {
      popularity: calibration.popularity,
      reuseModel: calibration.reuseModel,
      ...(name === "belady" && { future: new TraceFuture(trace) }),
    };
    const policy = POLICIES[name];
    return countHits(trace, { policy, slotCount, knowledge, warmupTokens }).hitRate;
  };
  const [lru, ours, best] = [rate("lru"), rate("reuse"), rate("belady")];
  const closed = (ours - lru) / (best - lru);
  const text =
    `hit rates at 50 %: LRU ${lru.toFixed(3)}, ours ${ours.toFixed(3)}, Belady ${best.toFixed(3)}: ` +
    `${(100 * closed).toFixed(0)} % of the gap (bar 25 %)`;
  return { text, holds: closed >= 0.25 };
}
