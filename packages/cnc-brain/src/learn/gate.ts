import { meanCi } from "@fmlab/stats";
import type { SchedulerName } from "../scheduling/names.ts";

/** Costs of one scenario of a cell. */
export interface CellCost {
  cell: string;
  learned: number;
  baselines: Readonly<Record<string, number>>;
}

/** Who acts in a cell, and why. */
export interface GateVerdict {
  cell: string;
  /** The baseline with the least mean cost, which acts where the learned policy does not. */
  fallback: SchedulerName;
  /** Paired: how much less the learned policy costs; mean and the lower end of its interval. */
  advantage: number;
  advantageLow: number;
  isLearned: boolean;
}

/**
 * Lets the learned policy act only where the lower confidence bound of its paired advantage over
 * the best baseline of the cell is above zero; elsewhere that baseline acts.
 *
 * @param costs of validation scenarios; at least 3 a cell
 * @throws StatsError `TOO_FEW_SEEDS`
 */
export function judgeCells(costs: readonly CellCost[], level = 0.9): GateVerdict[] {
  const cells = [...new Set(costs.map(({ cell }) => cell))];
  return cells.map((cell) => {
    const rows = costs.filter((row) => row.cell === cell);
    const names = Object.keys(rows[0]?.baselines ?? {}) as SchedulerName[];
    const total = (name: SchedulerName) =>
      rows.reduce((sum, { baselines }) => sum + (baselines[name] as number), 0);
    const fallback = names.reduce((best, name) => (total(name) < total(best) ? name : best));
    const gains = rows.map(({ baselines, learned }) => (baselines[fallback] as number) - learned);
    const interval = meanCi(gains, level);
    return {
      cell,
      fallback,
      advantage: interval.mean,
      advantageLow: interval.low,
      isLearned: interval.low > 0,
    };
  });
}
