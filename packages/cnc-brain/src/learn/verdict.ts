import { holm, type Interval, mean, meanCi, pairedTTest } from "@fmlab/stats";
import type { CellCost, GateVerdict } from "./gate.ts";

/** Costs of one test scenario, with what no scheduler can beat. */
export interface TestCost extends CellCost {
  bound: number;
  /** The bound with one price a node, which knows nothing of bursts; the same or lower. */
  pricedBound: number;
}

/** What a cell's test scenarios say of the gated policy. */
export interface CellVerdict {
  cell: string;
  /** The baseline with the least mean cost on these very scenarios. */
  best: string;
  bestCost: number;
  /** Of the policy behind its gate, and of the policy without one. */
  cost: number;
  ungatedCost: number;
  boundCost: number;
  pricedBoundCost: number;
  isLearned: boolean;
  /** Best baseline less ours: 95 % interval of the paired mean. */
  gain: Interval;
  /** Best baseline over bound, less 1. */
  gap: number;
  /** Share of the gap between best baseline and bound that is closed. */
  closed: number;
  /** The same two against the bound with one price a node. */
  pricedGap: number;
  pricedClosed: number;
  /** Two-sided paired t test of cost against the best baseline, and adjusted over the cells. */
  p: number;
  pHolm: number;
  /** Costs more than the best baseline beyond chance. */
  isWorse: boolean;
}

/** Gaps at or below this are not asked to be closed. */
export const GAP_MIN = 0.1;
/** What must be closed of a gap, and in what share of the cells that have one. */
export const CLOSED_MIN = 1 / 3;
const SIGNIFICANCE = 0.05;

/** The bar's sentence over all cells. */
export interface GridVerdict {
  cells: CellVerdict[];
  worseCells: number;
  cellsWithGap: number;
  cellsClosed: number;
  isMet: boolean;
}

/**
 * Judges a gated policy on test scenarios, each cell against the baseline that is best there in
 * hindsight; tests are paired by scenario and adjusted over cells by Holm's method.
 *
 * @param gate verdicts from validation scenarios; a cell without one falls back to nothing
 * @throws StatsError `TOO_FEW_SEEDS` for fewer than 3 scenarios a cell
 */
export function judgeGrid(costs: readonly TestCost[], gate: readonly GateVerdict[]): GridVerdict {
  const names = [...new Set(costs.map(({ cell }) => cell))];
  const cells = names.map((cell) =>
    judgeCell(
      costs.filter((row) => row.cell === cell),
      gate.find((verdict) => verdict.cell === cell),
    ),
  );
  const adjusted = holm(cells.map(({ p }) => p));
  cells.forEach((cell, i) => {
    cell.pHolm = adjusted[i] as number;
    cell.isWorse = cell.cost > cell.bestCost && cell.pHolm < SIGNIFICANCE;
  });
  const withGap = cells.filter(({ gap }) => gap > GAP_MIN);
  const closed = withGap.filter((cell) => cell.closed >= CLOSED_MIN);
  const worseCells = cells.filter(({ isWorse }) => isWorse).length;
  return {
    cells,
    worseCells,
    cellsWithGap: withGap.length,
    cellsClosed: closed.length,
    isMet: worseCells === 0 && 2 * closed.length >= withGap.length,
  };
}

function judgeCell(rows: readonly TestCost[], gate: GateVerdict | undefined): CellVerdict {
  const names = Object.keys(rows[0]?.baselines ?? {});
  const costsOf = (name: string) => rows.map(({ baselines }) => baselines[name] as number);
  const best = names.reduce((a, b) => (mean(costsOf(b)) < mean(costsOf(a)) ? b : a));
  const theirs = costsOf(best);
  const learned = rows.map((row) => row.learned);
  const isLearned = gate?.isLearned ?? true;
  const ours = isLearned || gate === undefined ? learned : costsOf(gate.fallback);
  const [cost, bestCost] = [mean(ours), mean(theirs)];
  const boundCost = mean(rows.map(({ bound }) => bound));
  const pricedBoundCost = mean(rows.map(({ pricedBound }) => pricedBound));
  const closedOf = (least: number) => (bestCost - cost) / Math.max(1e-12, bestCost - least);
  return {
    cell: rows[0]?.cell ?? "",
    best,
    bestCost,
    cost,
    ungatedCost: mean(learned),
    boundCost,
    pricedBoundCost,
    isLearned,
    gain: meanCi(theirs.map((dear, i) => dear - (ours[i] as number))),
    gap: bestCost / boundCost - 1,
    closed: closedOf(boundCost),
    pricedGap: bestCost / pricedBoundCost - 1,
    pricedClosed: closedOf(pricedBoundCost),
    p: pairedTTest(ours, theirs).p,
    pHolm: 1,
    isWorse: false,
  };
}
