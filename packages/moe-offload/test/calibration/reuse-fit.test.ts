import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { fitReuse, ReuseData } from "../../src/calibration/reuse-fit.ts";
import { type LinearFit, RidgeRegression } from "../../src/calibration/ridge.ts";

const INPUTS = 6;
const OUTPUTS = 3;

/** Rows of inputs that hang together, and outputs that follow from them but for some noise. */
function rowsOf(seed: number, count: number) {
  const prng = createPrng(seed, "rows");
  const uniform = () => 2 * prng.nextFloat() - 1;
  const map = Array.from({ length: OUTPUTS * INPUTS }, uniform);
  return Array.from({ length: count }, () => {
    const common = uniform();
    const x = Array.from({ length: INPUTS }, () => 1 + uniform() + common);
    const y = Array.from({ length: OUTPUTS }, (_, output) =>
      x.reduce((sum, value, i) => sum + value * (map[output * INPUTS + i] ?? 0), uniform()),
    );
    return { x, y };
  });
}

function regressionOver(rows: ReturnType<typeof rowsOf>): RidgeRegression {
  const regression = new RidgeRegression(INPUTS, OUTPUTS);
  for (const { x, y } of rows) regression.add(x, y);
  return regression;
}

function squaredError({ bias, weights }: LinearFit, rows: ReturnType<typeof rowsOf>): number {
  let sum = 0;
  for (const { x, y } of rows) {
    y.forEach((value, output) => {
      const row = weights.subarray(output * x.length, (output + 1) * x.length);
      const predicted = x.reduce((all, one, i) => all + one * (row[i] ?? 0), bias[output] ?? 0);
      sum += (value - predicted) ** 2;
    });
  }
  return sum / rows.length;
}

describe("a ridge regression", () => {
  const rows = rowsOf(1, 200);

  it("keeps to its prior under a great penalty, and forgets it under a small one", () => {
    const regression = regressionOver(rows);
    const prior = Float64Array.from({ length: INPUTS * OUTPUTS }, (_, i) => i / 7 - 1);
    const kept = regression.solve(1e9, prior).weights;
    prior.forEach((weight, i) => {
      expect(kept[i]).toBeCloseTo(weight, 6);
    });
    const plain = regression.solve(1e-9).weights;
    const forgotten = regression.solve(1e-9, prior).weights;
    plain.forEach((weight, i) => {
      expect(forgotten[i]).toBeCloseTo(weight, 5);
    });
  });

  it("tells the errors of maps on its rows, but for a constant", () => {
    const regression = regressionOver(rows);
    const others = [1, 2, 3].map((seed) => regressionOver(rowsOf(seed + 10, 30)).solve(0.1));
    const constants = others.map((fit) => squaredError(fit, rows) - regression.excessError(fit));
    expect(constants[1]).toBeCloseTo(constants[0] ?? 0, 8);
    expect(constants[2]).toBeCloseTo(constants[0] ?? 0, 8);
  });

  it("of two parts is that of all rows", () => {
    const parts = [rows.slice(0, 70), rows.slice(70)].map(regressionOver);
    const [a, b] = parts as [RidgeRegression, RidgeRegression];
    const merged = RidgeRegression.merged(a, b).solve(0.1).weights;
    regressionOver(rows)
      .solve(0.1)
      .weights.forEach((weight, i) => {
        expect(merged[i]).toBeCloseTo(weight, 10);
      });
  });
});

describe("the fit of reuse", () => {
  const EXPERTS = 16;

  /** Reuse of an expert follows its own average, and, if they hang together, its neighbour's. */
  function samples(seed: number, count: number, areTied: boolean) {
    const prng = createPrng(seed, "reuse");
    return Array.from({ length: count }, () => {
      const x = Float32Array.from({ length: 2 * EXPERTS }, () => prng.nextFloat());
      const y = Float64Array.from({ length: EXPERTS }, (_, expert) => {
        const other = areTied ? -2 * (x[(expert + 1) % EXPERTS] ?? 0) : 0;
        return 3 * (x[expert] ?? 0) + other + 2 * prng.nextFloat();
      });
      return { x, y };
    });
  }

  function errors(tokens: number, areTied: boolean) {
    const data = new ReuseData(EXPERTS);
    const plain = new RidgeRegression(2 * EXPERTS, EXPERTS);
    samples(1, tokens, areTied).forEach(({ x, y }, token) => {
      data.add(x, y, token);
      plain.add(x, y);
    });
    const fresh = samples(2, 500, areTied).map(({ x, y }) => ({ x: [...x], y: [...y] }));
    const [fit] = fitReuse([data]);
    if (!fit) throw new Error("one layer was fitted");
    return { fitted: squaredError(fit, fresh), plain: squaredError(plain.solve(0.2), fresh) };
  }

  it("foresees more of little text than a map between all experts does", () => {
    const { fitted, plain } = errors(520, false);
    expect(fitted).toBeLessThan(0.95 * plain);
  });

  it("learns of much text what experts have to do with each other", () => {
    const { fitted } = errors(8000, true);
    // What is left is the noise, of variance 4 / 12 an expert.
    expect(fitted).toBeLessThan(1.05 * EXPERTS * (4 / 12));
  });

  it("fits nothing where there is no layer, and means where there is no text", () => {
    const [none, empty] = fitReuse([undefined, new ReuseData(2)]);
    expect(none).toBeUndefined();
    expect([...(empty?.weights ?? []), ...(empty?.bias ?? [])].every(Number.isFinite)).toBe(true);
  });
});
