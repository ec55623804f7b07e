import { mean, meanCi } from "@fmlab/stats";
import type { SchedulerName } from "../scheduling/names.ts";
import type { ClusterView } from "../simulator/cluster-view.ts";

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

/** A cell as a running system can tell it: by its network and by its load. */
export interface GateCell {
  /** Mean round trip between all sites and all nodes, ms. */
  rttMs: number;
  load: number;
  isLearned: boolean;
  /** Acts where the policy may not. */
  fallback: SchedulerName;
}

/** Where a policy may act; stored with its weights. */
export type PolicyGate = readonly GateCell[];

/** One doubling of the round trip is as far as so much load. */
const LOAD_FOR_DOUBLE_RTT = 0.5;

/** The cell of a gate that is nearest to a network and a load. */
export function nearestCell(
  gate: PolicyGate,
  { rttMs, load }: Pick<GateCell, "rttMs" | "load">,
): GateCell | undefined {
  const distance = (cell: GateCell) =>
    LOAD_FOR_DOUBLE_RTT * Math.abs(Math.log2((cell.rttMs + 1) / (rttMs + 1))) +
    Math.abs(cell.load - load);
  let nearest: GateCell | undefined;
  for (const cell of gate) {
    if (nearest === undefined || distance(cell) < distance(nearest)) nearest = cell;
  }
  return nearest;
}

/**
 * The gate of a policy, from verdicts and what their cells are like.
 *
 * @param places by cell; a verdict without one is left out
 */
export function gateOf(
  verdicts: readonly GateVerdict[],
  places: ReadonlyMap<string, Pick<GateCell, "rttMs" | "load">>,
): PolicyGate {
  return verdicts.flatMap(({ cell, isLearned, fallback }) => {
    const place = places.get(cell);
    return place === undefined ? [] : [{ ...place, isLearned, fallback }];
  });
}

/** Mean round trip between all sites and all nodes, ms: what a gate knows a network by. */
export function meanRttMs(view: Pick<ClusterView, "nodeCount" | "network" | "rttMs">): number {
  const sites = view.network.siteNames.length;
  let sum = 0;
  for (let site = 0; site < sites; site++) {
    for (let node = 0; node < view.nodeCount; node++) sum += view.rttMs(site, node);
  }
  return sum / Math.max(1, sites * view.nodeCount);
}
