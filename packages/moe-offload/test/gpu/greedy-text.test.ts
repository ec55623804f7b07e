import { openGguf } from "@fmlab/ggml";
import { describe, expect, it } from "vitest";
import type { EvaluatedText } from "../../bench/gpu/evaluated-text.ts";
import {
  compareGreedyText,
  type GreedyResult,
  isIdenticalButTies,
  judgeGreedy,
  toleranceOf,
} from "../../bench/gpu/greedy-text.ts";
import { openEngine } from "../engine/open.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";

const STEPS = 4;
const VOCABULARY = 8;
/** Rows whose logits spread by 2: half of them are 2, half are -2, and two are planted. */
function rowsOf(planted: readonly [number, number]): Float32Array[] {
  return Array.from({ length: STEPS }, () =>
    Float32Array.from({ length: VOCABULARY }, (_, i) => planted[i] ?? (i % 2 ? 2 : -2)),
  );
}

function text(logits: readonly Float32Array[], experts = "0,1"): EvaluatedText {
  return {
    logits,
    experts: logits.map(() => ["2,3", experts]),
    margins: logits.map(() => [0.5, 0.01]),
  };
}

function withRow(rows: readonly Float32Array[], step: number, row: readonly [number, number]) {
  return rows.map((own, i) => (i === step ? Float32Array.from([...row, ...own.slice(2)]) : own));
}

const resultOf = (followed: GreedyResult["followed"]): GreedyResult => ({
  tokens: STEPS,
  sameTokens: followed.differences[0]?.tie.step ?? STEPS,
  nearTie: followed.differences[0]?.tie,
  followed,
});

describe("the judge of greedy text", () => {
  const reference = rowsOf([5, 4.9]);

  it("finds nothing where the likeliest tokens are the same, however far the logits are", () => {
    const device = withRow(reference, 2, [50, -50]);
    const followed = judgeGreedy(text(reference), text(device), 0.25);
    expect(followed.differences).toEqual([]);
    expect(isIdenticalButTies(resultOf(followed))).toBe(true);
  });

  it("forgives a near tie, tells its step, its gaps and their share of the tolerance", () => {
    const device = withRow(reference, 2, [4.9, 5.1]);
    const followed = judgeGreedy(text(reference), text(device), 0.25);
    const [only, ...others] = followed.differences;
    expect(others).toEqual([]);
    expect(only?.tie.step).toBe(2);
    expect(only?.tie.referenceGap).toBeCloseTo(0.1, 5);
    expect(only?.tie.deviceGap).toBeCloseTo(0.2, 5);
    expect(only?.referenceShare).toBeCloseTo(0.1 / followed.tolerance, 5);
    expect(only?.deviceShare).toBeCloseTo(0.2 / followed.tolerance, 5);
    expect(only).toMatchObject({ rerouted: undefined, isNearTie: true });
    expect(isIdenticalButTies(resultOf(followed))).toBe(true);
  });

  it.each([
    ["the CPU was sure of its token", [9, 4], [4, 4.1]],
    ["the device is sure of another", [5, 4.9], [4, 9]],
  ] as const)("fails where %s", (_, own, other) => {
    const rows = rowsOf(own);
    const followed = judgeGreedy(text(rows), text(withRow(rows, 1, other)), 0.25);
    expect(followed.differences.map(({ isNearTie }) => isNearTie)).toEqual([false]);
    expect(isIdenticalButTies(resultOf(followed))).toBe(false);
  });

  it("takes no logits that are not finite", () => {
    const device = withRow(reference, 1, [Number.NEGATIVE_INFINITY, 5]);
    expect(() => judgeGreedy(text(reference), text(device), 0.25)).toThrow(/-Infinity/);
  });

  it("fails for one that is none among many that are", () => {
    const device = withRow(withRow(reference, 0, [4.9, 5]), 3, [4, 9]);
    const followed = judgeGreedy(text(reference), text(device), 0.25);
    expect(followed.differences.map(({ isNearTie }) => isNearTie)).toEqual([true, false]);
    expect(isIdenticalButTies(resultOf(followed))).toBe(false);
  });

  it("tells the layer that chose other experts, which excuses nothing", () => {
    const device = withRow(reference, 1, [4, 9]);
    const followed = judgeGreedy(text(reference), text(device, "0,4"), 0.25);
    expect(followed.differences[0]?.rerouted).toEqual({ layer: 1, margin: 0.01 });
    expect(isIdenticalButTies(resultOf(followed))).toBe(false);
  });

  it("fails where free and followed text differ at different steps", () => {
    const followed = judgeGreedy(text(reference), text(withRow(reference, 2, [4.9, 5])), 0.25);
    const free = resultOf(followed);
    expect(isIdenticalButTies({ ...free, nearTie: undefined })).toBe(false);
  });
});

describe("greedy text of the shipped model", () => {
  const file = openGguf(SHIPPED_MODEL);
  const tolerance = toleranceOf(file);
  file.close();

  it("is the same on two engines of one machine, written freely and followed", () => {
    const [one, two] = [openEngine({ contextLength: 16 }), openEngine({ contextLength: 16 })];
    try {
      const result = compareGreedyText(one, two, 1, 12, tolerance);
      expect(result).toMatchObject({ sameTokens: 12, nearTie: undefined });
      expect(result.followed).toMatchObject({ tokens: 12, differences: [] });
      expect(result.followed.tolerance).toBeGreaterThan(0.1);
    } finally {
      one.close();
      two.close();
    }
  });
});
