import type { Prng } from "@fmlab/sim";
import { HEURISTIC_INDEX, INDEX_PARAMETERS, type PlacementIndex } from "./placement-index.ts";
import type { ScenarioSpec } from "./scenario.ts";
import type { TrainingPool } from "./training-pool.ts";

/** How hard is looked for an index. */
export interface SearchOptions {
  generations: number;
  population: number;
}

/**
 * Where the search begins and how far it looks at first, by `INDEX_PARAMETERS`: what a search from
 * further away came to on the training part of the Azure trace.
 */
const START = [0.125, 0.06, 0.01, -1.1, 1.15, 0.17, -0.4, 1.25, 0.25, 0.05, 1, 1.5];
const SPREAD = [0.04, 0.4, 0.006, 0.5, 0.4, 0.3, 0.3, 0.4, 0.12, 0.03, 0.3, 0.7];
/** The best share of a generation makes the next; how much the old spread keeps alive. */
const ELITE_SHARE = 0.25;
const SPREAD_KEPT = 0.3;
/** Gaps below are mostly chance: they weigh less. */
const GAP_FLOOR = 0.02;

/** Small cases of their own; beyond this ratio over their optimum an index is marked down. */
const SMALL_CASES = 40;
const SMALL_SEED = 77;
const SMALL_RATIO = 1.09;
const SMALL_WEIGHT = 1;

/** What the heuristic costs on a scenario, and what nobody can cost less than. */
export interface Yardstick {
  heuristic: number;
  bound: number;
}

/** Mean share of the gap between heuristic and bound that is closed; scenarios count alike. */
export function closedShare(costs: readonly number[], yardsticks: readonly Yardstick[]): number {
  const shares = yardsticks.map(
    ({ heuristic, bound }, i) =>
      (heuristic - (costs[i] as number)) / (Math.max(0, heuristic - bound) + GAP_FLOOR),
  );
  return shares.reduce((a, b) => a + b, 0) / Math.max(1, shares.length);
}

/**
 * Searches the index's numbers by the cross-entropy method: a generation is drawn around a mean,
 * all run over the same requests, and the best make the next mean and spread. Best is who closes
 * most of the gap and stays near the exact optimum on small cases.
 *
 * @returns the last mean, or the heuristic where that closes more of the gap
 * @see de Boer et al. 2005, A Tutorial on the Cross-Entropy Method
 */
export async function searchIndex(
  pool: TrainingPool,
  scenarios: readonly ScenarioSpec[],
  yardsticks: readonly Yardstick[],
  { generations, population }: SearchOptions,
  prng: Prng,
): Promise<PlacementIndex> {
  const score = async (indices: readonly PlacementIndex[]): Promise<number[]> => {
    const policies = indices.map((index) => ({ kind: "index" as const, index }));
    const jobs = scenarios.map((spec) => ({
      kind: "evaluate" as const,
      spec,
      policies,
      bound: "none" as const,
    }));
    const small = { kind: "small-cases" as const, cases: SMALL_CASES, seed: SMALL_SEED };
    const [answers, [smallCases]] = await Promise.all([
      pool.all(jobs),
      pool.all([{ ...small, indices: [...indices] }]),
    ]);
    return indices.map((_, k) => {
      const costs = answers.map((answer) => answer.costs[k] as number);
      const ratio = smallCases?.ratios[k] ?? 1;
      const beyond = Math.max(0, ratio - SMALL_RATIO);
      return closedShare(costs, yardsticks) - SMALL_WEIGHT * beyond;
    });
  };
  let mean = START;
  let spread = SPREAD;
  for (let generation = 0; generation < generations; generation++) {
    const draw = prng.fork(generation);
    const drawn = Array.from({ length: population }, (_, k) =>
      k === 0 ? mean : mean.map((value, d) => value + (spread[d] as number) * draw.normal()),
    );
    const scores = await score(drawn.map((numbers) => Float32Array.from(numbers)));
    const order = [...drawn.keys()].sort(
      (a, b) => (scores[b] as number) - (scores[a] as number) || a - b,
    );
    const elite = order.slice(0, Math.max(2, Math.round(ELITE_SHARE * population)));
    const best = elite.map((k) => drawn[k] as number[]);
    ({ mean, spread } = fitTo(best, spread));
  }
  const found = Float32Array.from(mean);
  const [ours = 0, theirs = 0] = await score([found, HEURISTIC_INDEX]);
  return ours > theirs ? found : HEURISTIC_INDEX;
}

function fitTo(elite: readonly (readonly number[])[], old: readonly number[]) {
  const mean = INDEX_PARAMETERS.map(
    (_, d) => elite.reduce((sum, numbers) => sum + (numbers[d] as number), 0) / elite.length,
  );
  const spread = mean.map((centre, d) => {
    const squares = elite.reduce((sum, numbers) => sum + ((numbers[d] as number) - centre) ** 2, 0);
    const fitted = Math.sqrt(squares / elite.length);
    return SPREAD_KEPT * (old[d] as number) + (1 - SPREAD_KEPT) * fitted;
  });
  return { mean, spread };
}
