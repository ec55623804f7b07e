import { pairedRatioCi } from "@fmlab/stats";
import { formatTable } from "../paired.ts";
import type { Measured } from "./cell.ts";

/** One strategy in one cell, with what was expected of it. */
export interface StrategyResult extends Measured {
  readonly meanTokensPerSecond: number;
  /** Tokens/s that max(compute, missed bytes / link) allows. */
  readonly bound: number;
  /** By the replayer; null where nothing is offloaded. */
  readonly predicted: number | null;
}

/** One cell of the grid. */
export interface CellResult {
  readonly workload: string;
  readonly source: string;
  readonly percent: number;
  readonly linkMBps: number;
  /** A token with every expert resident, measured in the same rounds. */
  readonly computeMs: number;
  /** Tokens/s of Belady's eviction with perfect prefetch, by the replayer. */
  readonly bestPossible: number;
  readonly strategies: readonly StrategyResult[];
}

/** The strategy of that name in a cell. */
export function strategyOf(cell: CellResult, name: string): StrategyResult {
  const found = cell.strategies.find((one) => one.name === name);
  if (!found) throw new Error(`${name} was not measured`);
  return found;
}

/** One cell as a table. */
export function printCell(cell: CellResult): string {
  const ours = cell.strategies.find(({ name }) => name === "ours");
  const rows = cell.strategies.map((one) => {
    const ratio = ours ? pairedRatioCi(ours.tokensPerSecond, one.tokensPerSecond) : undefined;
    return [
      one.name,
      one.meanTokensPerSecond.toFixed(0),
      one.predicted === null ? "" : one.predicted.toFixed(0),
      one.bound.toFixed(0),
      percent(one.hitRate),
      percent(one.lateHitRate),
      (one.bytesPerToken / 1e6).toFixed(2),
      one.stallMsPerToken.toFixed(2),
      ratio ? `${ratio.ratio.toFixed(2)} [${ratio.low.toFixed(2)}, ${ratio.high.toFixed(2)}]` : "",
    ];
  });
  const head = ["strategy", "tok/s", "replay", "bound", "hits", "late", "MB/tok", "stall ms"];
  return [
    `\n${cell.workload} (${cell.source}), ${cell.percent} % in fast memory, ${cell.linkMBps} MB/s; ` +
      `resident ${(1e3 / cell.computeMs).toFixed(0)} tok/s, best possible ` +
      `${cell.bestPossible.toFixed(0)}`,
    formatTable([[...head, "ours over it [95 %]"], ...rows]),
  ].join("\n");
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
