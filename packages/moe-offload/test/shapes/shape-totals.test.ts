import { describe, expect, it } from "vitest";
import { NAMED_SHAPES } from "../../src/planner/named-shapes.ts";
import { SHAPE_MODELS, SHAPE_NAMES } from "../../src/shapes/shape-model.ts";
import { PUBLISHED_TOTALS, shapeTotals } from "../../src/shapes/shape-totals.ts";
import { expertBytes } from "../../src/traces/model-shapes.ts";

/** One in the last digit that a number is published with: 46.7 billion has 0.1, 141 has 1. */
function lastDigit(value: number): number {
  const digits = String(value / 1e9).split(".")[1]?.length ?? 0;
  return 1e9 * 10 ** -digits;
}

describe.each(SHAPE_NAMES)("the tensors of %s", (name) => {
  const totals = shapeTotals(SHAPE_MODELS[name]);
  const published = PUBLISHED_TOTALS[name];

  it("add up to the published number of parameters, to its last digit", () => {
    const { value } = published.parameters;
    expect(Math.abs(totals.parameters - value)).toBeLessThanOrEqual(lastDigit(value) / 2);
  });

  // Published numbers differ in what they count of the embedding and in rounding.
  it("add up to the published number of active parameters, to one in its last digit", () => {
    const { value } = published.activeParameters;
    expect(Math.abs(totals.activeParameters - value)).toBeLessThanOrEqual(lastDigit(value));
  });

  it("have experts of the size that the planner counts with", () => {
    const shape = NAMED_SHAPES[name];
    for (const type of ["Q4_0", "Q8_0", "F16"] as const) {
      const stored = shapeTotals(SHAPE_MODELS[name], { experts: type, dense: "Q4_0" });
      expect(stored.expertBytes).toBe(expertBytes(shape, type));
    }
  });

  it("have heads that make the planner's attention and cache", () => {
    const { dense } = NAMED_SHAPES[name];
    const { embeddingLength, headCount, headCountKv, headLength } = SHAPE_MODELS[name];
    const [queries, keys] = [headCount * headLength, headCountKv * headLength];
    expect(2 * keys).toBe(dense.kvElements);
    expect(embeddingLength * 2 * (queries + keys)).toBe(dense.attentionWeights);
  });
});

describe("the sizes of shapes", () => {
  it("are those measured on a GPU: 4.87 MB an expert of Qwen1.5-MoE in Q4_0", () => {
    const { expertBytes: bytes } = shapeTotals(SHAPE_MODELS["qwen1.5-moe-a2.7b"]);
    expect(bytes / 1e6).toBeCloseTo(4.87, 2);
  });

  it.each([
    ["mixtral-8x7b", 99.1],
    ["mixtral-8x22b", 169.9],
    ["deepseek-moe-16b", 4.87],
    ["olmoe-1b-7b", 3.54],
    ["qwen3-30b-a3b", 2.65],
  ] as const)(
    "are those of the survey: an expert of %s at 4.5 bits has %d MB",
    (name, megabytes) => {
      const { expertBytes: bytes } = shapeTotals(SHAPE_MODELS[name]);
      expect(Math.abs(bytes / 1e6 - megabytes)).toBeLessThanOrEqual(0.06);
    },
  );

  it("count what a token does not use as inactive", () => {
    const model = SHAPE_MODELS["deepseek-moe-16b"];
    const totals = shapeTotals(model);
    const unused = 27 * (64 - 6) * 3 * 2048 * 1408;
    expect(totals.parameters - totals.activeParameters).toBe(unused);
    expect(totals.allExpertBytes).toBe(27 * 64 * totals.expertBytes);
  });
});
