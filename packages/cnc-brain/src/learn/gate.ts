import { mean, meanCi } from "@fmlab/stats";
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
  /** Paired: how much less the learned policy costs, mean. */
  advantage: number;
  /** ln of the fall-back's cost over the learned policy's: lower end of the mean's interval. */
  ratioLnLow: number;
  isLearned: boolean;
}

/**
 * Lets the learned policy act only where the lower confidence bound of its paired advantage over
 * the best baseline of the cell is above zero; elsewhere that baseline acts. The bound is of the
 * ratio, in which cheap and dear scenarios count alike; the mean of the differences must agree.
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
    const ratios = rows.map(({ baselines, learned }) =>
      Math.log((baselines[fallback] as number) / learned),
    );
    const ratioLnLow = meanCi(ratios, level).low;
    const advantage = mean(gains);
    return {
      cell,
      fallback,
      advantage,
      ratioLnLow,
      isLearned: ratioLnLow > 0 && advantage > 0,
    };
  });
}
