import type { PolicyWeights } from "../learn/policy-weights.ts";
import type { ScenarioSpec } from "../learn/scenario.ts";
import type { PolicySpec } from "../learn/training-job.ts";
import type { TrainingPool } from "../learn/training-pool.ts";
import type { TestCost } from "../learn/verdict.ts";
import { SCHEDULER_NAMES } from "../scheduling/names.ts";

/**
 * Costs of all baselines and of each policy on each scenario.
 *
 * @returns one list of scenarios for each policy, the baselines the same in all
 */
export async function measureGrid(
  pool: TrainingPool,
  specs: readonly ScenarioSpec[],
  weights: readonly PolicyWeights[],
  { withBound }: { withBound: boolean },
): Promise<TestCost[][]> {
  const policies: PolicySpec[] = [
    ...SCHEDULER_NAMES.map((name) => ({ kind: "baseline" as const, name })),
    ...weights.map((one) => ({ kind: "learned" as const, weights: one })),
  ];
  const answers = await pool.all(
    specs.map((spec) => ({ kind: "evaluate" as const, spec, policies, withBound })),
  );
  return weights.map((_, k) =>
    answers.map(({ costs, bound }, i) => ({
      cell: specs[i]?.cell ?? "",
      bound,
      learned: costs[SCHEDULER_NAMES.length + k] as number,
      baselines: Object.fromEntries(SCHEDULER_NAMES.map((name, b) => [name, costs[b] as number])),
    })),
  );
}
