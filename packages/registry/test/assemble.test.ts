import type { AnyExperiment } from "@fmlab/experiment";
import { describe, expect, it } from "vitest";
import { assembleRegistry, findExperiment } from "../src/assemble.ts";
import { editDistance, nearestName } from "../src/nearest-name.ts";
import { example, exampleDefinition } from "./fixtures/example.ts";

describe("assembleRegistry", () => {
  it("finds each experiment by its kind, in the order given", () => {
    const [b, a] = [example({ kind: "room.b" }), example({ kind: "room.a" })];
    const registry = assembleRegistry([b, a]);
    expect([...registry.keys()]).toEqual(["room.b", "room.a"]);
    expect(findExperiment(registry, "room.a")).toBe(a);
  });

  it("refuses a kind that two definitions claim, naming it", () => {
    const twice = [example({ kind: "room.twin" }), example({ kind: "room.twin" })];
    expect(() => assembleRegistry(twice)).toThrowError(/experiment room\.twin is broken: two/);
  });

  it("refuses a definition that never went through defineExperiment and is broken, naming it", () => {
    const broken = exampleDefinition({
      kind: "room.late",
      metrics: {},
    }) as unknown as AnyExperiment;
    expect(() => assembleRegistry([example(), broken])).toThrowError(
      expect.objectContaining({
        message: "experiment room.late is broken: no metrics are declared",
        failure: {
          code: "BROKEN_DEFINITION",
          kind: "room.late",
          problem: "no metrics are declared",
        },
      }),
    );
  });
});

describe("findExperiment", () => {
  const registry = assembleRegistry([
    example({ kind: "moe-offload.decode" }),
    example({ kind: "moe-offload.trace" }),
  ]);

  it.each([
    ["moe-offload.decod", "moe-offload.decode"],
    ["moe_offload.trace", "moe-offload.trace"],
    ["MOE-OFFLOAD.DECODE", "moe-offload.decode"],
    ["decode", "moe-offload.decode"],
  ])("for %s proposes %s and lists what there is", (kind, nearest) => {
    expect(() => findExperiment(registry, kind)).toThrowError(
      expect.objectContaining({
        message:
          `there is no experiment "${kind}". Did you mean ${nearest}? ` +
          "Registered: moe-offload.decode, moe-offload.trace",
        failure: {
          code: "UNKNOWN_EXPERIMENT",
          kind,
          known: ["moe-offload.decode", "moe-offload.trace"],
        },
      }),
    );
  });

  it("proposes nothing where nothing is near", () => {
    expect(() => findExperiment(registry, "shard-chain.pbft")).toThrowError(
      'there is no experiment "shard-chain.pbft". Registered: moe-offload.decode, moe-offload.trace',
    );
    expect(() => findExperiment(new Map(), "")).toThrowError(
      'there is no experiment "". Registered: none',
    );
  });

  it("does not take names of Object's own members for experiments", () => {
    expect(() => findExperiment(registry, "constructor")).toThrowError(/there is no experiment/);
  });
});

describe("nearestName", () => {
  /** The definition of the distance, without a table: exponential, for short words only. */
  const slowDistance = (a: string, b: string): number => {
    if (a === "" || b === "") return a.length + b.length;
    const same = a[0] === b[0] ? 0 : 1;
    return Math.min(
      slowDistance(a.slice(1), b.slice(1)) + same,
      slowDistance(a.slice(1), b) + 1,
      slowDistance(a, b.slice(1)) + 1,
    );
  };

  it("measures distance as the recursive definition does", () => {
    const words = ["", "a", "ab", "ba", "abc", "kitten", "mitten", "sitting", "lru", "rlu"];
    for (const a of words) {
      for (const b of words) expect(editDistance(a, b)).toBe(slowDistance(a, b));
    }
  });

  it("does not guess between two names that both hold the part", () => {
    expect(nearestName("moe", ["moe-offload.decode", "moe-offload.trace"])).toBeUndefined();
  });
});
