import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import {
  readCrossLayerCounts,
  readExpertCounts,
  readPopularityOrder,
} from "../../src/traces/routing-statistics.ts";

const folder = mkdtempSync(path.join(tmpdir(), "statistics-"));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (content: unknown, isGzip = false): string => {
  const name = path.join(folder, "file");
  const text = typeof content === "string" ? content : JSON.stringify(content);
  writeFileSync(name, isGzip ? gzipSync(text) : text);
  return name;
};
const badTrace = (part: string) =>
  expect.objectContaining({
    message: expect.stringContaining(part),
    failure: expect.objectContaining({ code: "BAD_TRACE" }),
  });
const failure = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  return "nothing was thrown";
};

const COUNTS = {
  model: "m",
  layers: [0, 3],
  counts: {
    expert_counts: {
      a: [
        [4, 2, 2],
        [1, 4, 3],
      ],
      b: [
        [2, 2, 4],
        [4, 4, 0],
      ],
    },
    expert_counts_top1: {
      a: [
        [2, 1, 1],
        [0, 2, 2],
      ],
    },
  },
};
const PAIRS = {
  model: "m",
  pairs: [[0, 3]],
  counts: {
    expert_counts_crosslayer: {
      a: [
        [
          [1, 2],
          [3, 4],
        ],
      ],
    },
  },
};
const ORDER = {
  model: "m",
  layer_expert: [
    [1, 0],
    [0, 1],
    [0, 0],
    [1, 1],
  ],
};

describe("published routing statistics", () => {
  it("are read, plain and gzip", () => {
    for (const isGzip of [false, true]) {
      const counts = readExpertCounts(write(COUNTS, isGzip));
      expect(counts).toMatchObject({ layers: [0, 3], expertCount: 3, expertUsedCount: 2 });
      expect([...(counts.sets.get("expert_counts")?.get("b")?.[1] ?? [])]).toEqual([4, 4, 0]);
      const pairs = readCrossLayerCounts(write(PAIRS, isGzip));
      expect(pairs.pairs).toEqual([[0, 3]]);
      const [matrix] = pairs.sets.get("expert_counts_crosslayer")?.get("a") ?? [];
      expect([...(matrix ?? [])]).toEqual([1, 2, 3, 4]);
      const order = readPopularityOrder(write(ORDER, isGzip));
      expect(order).toMatchObject({ layerCount: 2, expertCount: 2 });
      expect(order.order[1]).toEqual([0, 1]);
    }
  });

  const a = COUNTS.counts.expert_counts.a;
  const withCounts = (counts: unknown) => ({ ...COUNTS, counts });
  it.each([
    ["no JSON", "{", "cannot be read"],
    ["no object", [], "not an object"],
    ["no model", { ...COUNTS, model: "" }, "name its model"],
    ["layers that fall", { ...COUNTS, layers: [3, 0] }, "ascend"],
    ["a row too few", withCounts({ expert_counts: { a: [a[0]] } }), "2 rows of 3"],
    ["rows of two lengths", withCounts({ expert_counts: { a: [a[0], [4, 4]] } }), "2 rows of 3"],
    ["rows of two sums", withCounts({ expert_counts: { a: [a[0], [1, 1, 1]] } }), "equal sums"],
    ["a half selection", withCounts({ expert_counts: { a: [[0.5, 7.5, 0], a[1]] } }), "0.5"],
    ["a negative count", withCounts({ expert_counts: { a: [[-1, 8, 1], a[1]] } }), "-1"],
    ["no counts of all choices", withCounts({ other: { a } }), "no set"],
    ["first choices that do not fit", withCounts({ expert_counts: { a } }), "whole multiple"],
  ])("are refused with %s", (_name, content, part) => {
    expect(failure(() => readExpertCounts(write(content)))).toEqual(badTrace(part));
  });

  it("are refused with matrices or an order that are not whole", () => {
    const thin = { ...PAIRS, counts: { s: { a: [[[1, 2]]] } } };
    expect(failure(() => readCrossLayerCounts(write(thin)))).toEqual(badTrace("1 by 1"));
    const none = { ...PAIRS, pairs: [[3, 0]] };
    expect(failure(() => readCrossLayerCounts(write(none)))).toEqual(badTrace("a later layer"));
    const twice = { ...ORDER, layer_expert: [...ORDER.layer_expert.slice(1), [0, 1]] };
    expect(failure(() => readPopularityOrder(write(twice)))).toEqual(badTrace("once each"));
    expect(failure(() => readPopularityOrder(path.join(folder, "no")))).toEqual(
      badTrace("cannot be read"),
    );
  });
});

const data = path.join(process.env.FMLAB_DATA_DIR ?? "", "moe-routing");
const hasData = process.env.FMLAB_DATA_DIR !== undefined && existsSync(data);
if (!hasData) process.stderr.write("skips the published routing: set FMLAB_DATA_DIR\n");

describe.runIf(hasData)("the published routing of Mixtral 8x7B and OLMoE", () => {
  const file = (name: string) => path.join(data, name);

  it("counts 208,896 tokens a domain at top-2 and top-8", () => {
    const models = [
      ["mixtral-8x7b", 8, 2],
      ["olmoe-1b-7b-0924", 64, 8],
    ] as const;
    for (const [model, experts, used] of models) {
      const counts = readExpertCounts(file(`${model}.expert_counts.json`));
      expect(counts).toMatchObject({ expertCount: experts, expertUsedCount: used });
      const rows = counts.sets.get("expert_counts")?.get("arxiv") ?? [];
      for (const row of rows) expect(row.reduce((x, y) => x + y)).toBe(208_896 * used);
    }
  });

  it("has rows across layers that sum to the counts of the earlier layer", () => {
    for (const model of ["mixtral-8x7b", "olmoe-1b-7b-0924"]) {
      const counts = readExpertCounts(file(`${model}.expert_counts.json`));
      const pairs = readCrossLayerCounts(file(`${model}.crosslayer.json.gz`));
      expect(pairs.pairs).toEqual([
        [0, 7],
        [7, 15],
      ]);
      const [matrix] = pairs.sets.get("expert_counts_crosslayer")?.get("c4") ?? [];
      const row = counts.sets.get("expert_counts")?.get("c4")?.[0];
      const sums = Array.from({ length: pairs.expertCount }, (_, from) =>
        matrix
          ?.subarray(from * pairs.expertCount, (from + 1) * pairs.expertCount)
          .reduce((x, y) => x + y),
      );
      expect(sums).toEqual([...(row ?? [])]);
    }
  });

  it("orders all 256 experts of Mixtral", () => {
    const order = readPopularityOrder(file("mixtral-8x7b.expert_popularity_order.json"));
    expect(order).toMatchObject({ layerCount: 32, expertCount: 8 });
  });
});
