import type { GateCell } from "../learn/gate.ts";
import type { PolicyWeights } from "../learn/policy-weights.ts";
import type { ScenarioSpec } from "../learn/scenario.ts";
import type { BoundChoice, PolicySpec } from "../learn/training-job.ts";
import type { TrainingPool } from "../learn/training-pool.ts";
import type { TestCost } from "../learn/verdict.ts";
import { SCHEDULER_NAMES, type SchedulerName } from "../scheduling/names.ts";

/** What a grid measured. */
export interface MeasuredGrid {
  /** One list of scenarios for each policy, the baselines the same in all. */
  costs: TestCost[][];
  /** What each cell is known by to a gate. */
  places: Map<string, Pick<GateCell, "rttMs" | "load">>;
}

/** Costs of baselines and of each policy, without its gate, on each scenario. */
export async function measureGrid(
  pool: TrainingPool,
  specs: readonly ScenarioSpec[],
  weights: readonly PolicyWeights[],
  {
    bound,
    baselines = SCHEDULER_NAMES,
  }: { bound: BoundChoice; baselines?: readonly SchedulerName[] },
): Promise<MeasuredGrid> {
  const policies: PolicySpec[] = [
    ...baselines.map((name) => ({ kind: "baseline" as const, name })),
    ...weights.map(({ gate: _, ...ungated }) => ({ kind: "learned" as const, weights: ungated })),
  ];
  const answers = await pool.all(
    specs.map((spec) => ({ kind: "evaluate" as const, spec, policies, bound })),
  );
  const places: MeasuredGrid["places"] = new Map();
  answers.forEach(({ rttMs }, i) => {
    const spec = specs[i];
    if (spec !== undefined) places.set(spec.cell, { rttMs, load: spec.load });
  });
  const costs = weights.map((_, k) =>
    answers.map((answer, i) => ({
      cell: specs[i]?.cell ?? "",
      bound: answer.bound,
      pricedBound: answer.pricedBound,
      learned: answer.costs[baselines.length + k] as number,
      baselines: Object.fromEntries(baselines.map((name, b) => [name, answer.costs[b] as number])),
    })),
  );
  return { costs, places };
}
