import type { RunContext, SeriesInput, Summary } from "@fmlab/experiment";
import type { GateVerdict } from "../learn/gate.ts";
import type { TrainedPolicy } from "../learn/train-policy.ts";
import type { GridVerdict } from "../learn/verdict.ts";
import { assumptionTable } from "../workload/run-settings.ts";

/** Everything a training run found; lists have one entry for each trained policy. */
export interface TrainingFindings {
  trained: TrainedPolicy[];
  gates: GateVerdict[][];
  verdicts: GridVerdict[];
  /** At the second size; empty: not tested. */
  largeVerdicts: GridVerdict[];
  optimumRatios: number[];
  notes: string[];
}

/** Draws the pictures and makes the summary. The first policy's cells are drawn. */
export function reportTraining(
  ctx: Pick<RunContext, "metric" | "series">,
  findings: TrainingFindings,
): Summary {
  const { trained, verdicts, largeVerdicts, optimumRatios, gates } = findings;
  ctx.series("learning", learningSeries(trained));
  ctx.series("cells", cellSeries(verdicts[0] as GridVerdict));
  ctx.series("verdicts", verdictTable(verdicts));
  ctx.series("assumptions", assumptionTable(findings.notes));
  const closed = verdicts.map(closedShare);
  const numbers = {
    worseCells: average(verdicts.map(({ worseCells }) => worseCells)),
    closedShare: average(closed),
    optimumRatio: average(optimumRatios),
    costRatio: average(trained.map(({ curve }) => Math.min(...curve.map((p) => p.costRatio)))),
  };
  for (const [name, value] of Object.entries(numbers)) ctx.metric(name, value);
  return {
    ...numbers,
    policies: trained.map(({ indexRatio, curve, imitationLoss }, k) => ({
      indexRatio,
      imitationLoss: imitationLoss.at(-1) ?? null,
      curve: curve.map(({ iteration, costRatio }) => ({ iteration, costRatio })),
      learnedCells: gates[k]?.filter(({ isLearned }) => isLearned).length ?? 0,
      isMet: verdicts[k]?.isMet ?? false,
      closedShare: closed[k] ?? 0,
      optimumRatio: optimumRatios[k] ?? null,
      large: largeVerdicts[k] === undefined ? null : tellGrid(largeVerdicts[k]),
    })),
  };
}

function tellGrid(grid: GridVerdict) {
  const cheaper = grid.cells.filter(({ cost, bestCost }) => cost < bestCost).length;
  return { cells: grid.cells.length, cheaper, worse: grid.worseCells, closed: grid.cellsClosed };
}

function closedShare({ cellsClosed, cellsWithGap }: GridVerdict): number {
  return cellsWithGap === 0 ? 1 : cellsClosed / cellsWithGap;
}

function learningSeries(trained: readonly TrainedPolicy[]): SeriesInput {
  const x = trained[0]?.curve.map(({ iteration }) => iteration) ?? [];
  const at = (k: number) => trained.map(({ curve }) => curve[k]?.costRatio ?? Number.NaN);
  const curve = (name: string, of: (values: number[]) => number) => ({
    name,
    y: x.map((_, k) => of(at(k))),
  });
  return {
    kind: "line",
    xLabel: "round of PPO (0: after imitation)",
    yLabel: "cost over the heuristic's",
    x,
    curves: [
      curve("mean over seeds", average),
      curve("least", (values) => Math.min(...values)),
      curve("most", (values) => Math.max(...values)),
      { name: "heuristic", y: x.map(() => 1) },
    ],
  };
}

function cellSeries({ cells }: GridVerdict): SeriesInput {
  return {
    kind: "bars",
    categoryLabel: "cell",
    categories: cells.map(({ cell }) => cell),
    valueLabel: "cost",
    groups: [
      { name: "best baseline", values: cells.map(({ bestCost }) => bestCost) },
      { name: "learned, gated", values: cells.map(({ cost }) => cost) },
      { name: "bound", values: cells.map(({ boundCost }) => boundCost) },
    ],
    note: "the first trained policy; the best baseline of each cell is chosen in hindsight",
  };
}

function verdictTable(verdicts: readonly GridVerdict[]): SeriesInput {
  const column = (key: string, title: string) => ({ key, title, type: "number" as const });
  return {
    kind: "table",
    columns: [
      column("policy", "Policy"),
      { key: "cell", title: "Cell", type: "text" },
      { key: "acts", title: "Acts", type: "text" },
      { key: "best", title: "Best baseline", type: "text" },
      column("bestCost", "Its cost"),
      column("cost", "Ours"),
      column("ungatedCost", "Ungated"),
      column("boundCost", "Bound"),
      column("gap", "Gap"),
      column("closed", "Closed"),
      column("pHolm", "p (Holm)"),
    ],
    rows: verdicts.flatMap(({ cells }, policy) =>
      cells.map(({ isLearned, isWorse: _, p: __, gain: ___, ...cell }) => ({
        policy,
        ...cell,
        acts: isLearned ? "learned" : "fall-back",
      })),
    ),
  };
}

function average(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
