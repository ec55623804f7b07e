import { isDeepStrictEqual } from "node:util";
import { type Claim, measuredGroups, type Quantity } from "@fmlab/experiment";
import { geometricMean, mean } from "../descriptive.ts";
import { meanCi, pairedRatioCi, SEEDS_MIN } from "../interval.ts";
import { pairedTTest, unpairedRatioCi, welchTest } from "../significance.ts";
import type { RunFolder } from "./load-run-folders.ts";
import { readNumber, readQuantity } from "./quantity.ts";

/** Runs of one group by seed. */
export type RunsBySeed = ReadonlyMap<number, readonly RunFolder[]>;

/** What the runs give for a claim's measure. */
export type Measured =
  | {
      of: "number";
      value: number;
      /** Interval over seeds; null below 3 seeds. */
      interval: { low: number; high: number; level: number } | null;
      /**
       * The interval's ends, or the smallest and largest single value where there is no interval.
       */
      low: number;
      high: number;
      n: number;
    }
  | { of: "same"; seeds: number; differing: number[] };

/** Computes a claim's measure; every group must have the seeds it needs. */
export async function measureClaim(
  claim: Claim,
  groups: ReadonlyMap<string, RunsBySeed>,
): Promise<Measured> {
  const { measure } = claim;
  const runsOf = (name: string) => groups.get(name) ?? new Map<number, RunFolder[]>();
  if (measure.of === "same") {
    return compareEqual(measuredGroups(measure).map(runsOf), measure.quantity);
  }
  if (measure.of === "value") {
    const top = await averageBySeed(runsOf(measure.group), measure.quantity, measure.per);
    const values = [...top.values()];
    return enough(values) ? fromInterval(meanCi(values)) : fromValues(values, mean(values));
  }
  const left = await averageBySeed(runsOf(measure.left), measure.quantity);
  const right = await averageBySeed(runsOf(measure.right), measure.quantity);
  return measure.pairedBy === "seed"
    ? comparePaired(measure.of, left, right)
    : compareIndependent(measure.of, [...left.values()], [...right.values()]);
}

type Comparison = "ratio" | "difference";

function comparePaired(
  of: Comparison,
  left: ReadonlyMap<number, number>,
  right: ReadonlyMap<number, number>,
): Measured {
  const shared = [...left.keys()].filter((seed) => right.has(seed));
  const a = shared.map((seed) => left.get(seed) as number);
  const b = shared.map((seed) => right.get(seed) as number);
  if (enough(a)) {
    if (of === "difference") return fromInterval(pairedTTest(a, b).difference);
    const { ratio, ...interval } = pairedRatioCi(a, b);
    return fromInterval({ mean: ratio, ...interval });
  }
  const single = a.map((value, i) => compare(of, value, b[i] as number));
  return fromValues(single, of === "ratio" ? geometricMean(single) : mean(single));
}

function compareIndependent(of: Comparison, a: number[], b: number[]): Measured {
  if (enough(a) && enough(b)) {
    if (of === "difference") return fromInterval(welchTest(a, b).difference);
    const { ratio, ...interval } = unpairedRatioCi(a, b);
    return fromInterval({ mean: ratio, ...interval });
  }
  const single = a.flatMap((x) => b.map((y) => compare(of, x, y)));
  const value = of === "ratio" ? geometricMean(single) : mean(single);
  return { ...fromValues(single, value), n: Math.min(a.length, b.length) };
}

function compare(of: Comparison, left: number, right: number): number {
  return of === "ratio" ? left / right : left - right;
}

async function compareEqual(groups: RunsBySeed[], quantity: Quantity): Promise<Measured> {
  const [first = new Map<number, RunFolder[]>(), ...others] = groups;
  const shared = [...first.keys()]
    .filter((seed) => others.every((group) => group.has(seed)))
    .sort((a, b) => a - b);
  const differing: number[] = [];
  for (const seed of shared) {
    const runs = groups.flatMap((group) => group.get(seed) ?? []);
    const values = await Promise.all(runs.map((run) => readQuantity(run, quantity)));
    if (!values.every((value) => isDeepStrictEqual(value, values[0]))) differing.push(seed);
  }
  return { of: "same", seeds: shared.length, differing };
}

/** One number a seed: the mean over the runs of that seed. */
async function averageBySeed(
  runs: RunsBySeed,
  quantity: Quantity,
  per?: Quantity,
): Promise<Map<number, number>> {
  const bySeed = new Map<number, number>();
  for (const [seed, repeats] of runs) {
    const values = await Promise.all(
      repeats.map(async (run) => {
        const value = await readNumber(run, quantity);
        return per === undefined ? value : value / (await readNumber(run, per));
      }),
    );
    bySeed.set(seed, mean(values));
  }
  return bySeed;
}

function enough(values: readonly number[]): boolean {
  return values.length >= SEEDS_MIN;
}

function fromInterval(found: {
  mean: number;
  low: number;
  high: number;
  n: number;
  level: number;
}) {
  const { mean: value, low, high, n, level } = found;
  return { of: "number" as const, value, interval: { low, high, level }, low, high, n };
}

function fromValues(values: readonly number[], value: number) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return { of: "number" as const, value, interval: null, low, high, n: values.length };
}
