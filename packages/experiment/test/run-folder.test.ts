import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DomainError,
  isDomainError,
  metricKey,
  metricLineSchema,
  type RunRecord,
  runRecordSchema,
} from "../src/index.ts";

const record: RunRecord = {
  format: 1,
  runId: "5b1a3c52-7a3b-4f0e-9e57-0d7f6f0a1b2c",
  kind: "room.example",
  definitionVersion: 1,
  preset: null,
  config: { budgetMiB: 4 },
  seed: 0,
  fidelity: "emulated",
  state: "FAILED",
  failure: { code: "OUT_OF_MEMORY", message: "killed" },
  startedAt: "2026-11-23T09:00:00.000Z",
  finishedAt: "2026-11-23T09:00:01.000Z",
  machine: {
    cpuModel: "x",
    cpuCount: 2,
    memoryBytes: 8e9,
    platform: "linux",
    arch: "x64",
    kernel: "6.1",
    nodeVersion: "20.20.2",
    gpus: [],
  },
  code: {
    fmlabVersion: "0.1.0",
    gitCommit: null,
    dirty: null,
    diffSha256: null,
    lockfileSha256: null,
  },
  inputs: [{ path: "models/m.gguf", sizeBytes: 1, sha256: "00" }],
  notes: { directIo: false },
};

describe("runRecordSchema", () => {
  it("keeps a record through JSON unchanged", () => {
    expect(runRecordSchema.parse(JSON.parse(JSON.stringify(record)))).toEqual(record);
  });

  it.each<[string, object]>([
    ["another format", { format: 2 }],
    ["a name that is no UUID", { runId: "run-1" }],
    ["a negative seed", { seed: -1 }],
    ["a state of a run that has not ended", { state: "RUNNING" }],
    ["an unknown failure", { failure: { code: "OOPS", message: "" } }],
    ["an unknown fidelity", { fidelity: "real" }],
    ["a time without a zone", { startedAt: "2026-11-23 09:00" }],
  ])("refuses %s", (_, change) => {
    expect(runRecordSchema.safeParse({ ...record, ...change }).success).toBe(false);
  });
});

describe("metricLineSchema", () => {
  it("takes null for a gap and nothing for a missing value", () => {
    const point = { key: "hitRate", step: 0, value: null, timeMs: 1 };
    expect(metricLineSchema.parse(point)).toEqual(point);
    expect(metricLineSchema.safeParse({ key: "hitRate", step: 0, timeMs: 1 }).success).toBe(false);
  });
});

describe("metricKey", () => {
  it("is the bare key without labels; step is the x axis and no label", () => {
    expect(metricKey("hitRate")).toBe("hitRate");
    expect(metricKey("hitRate", { step: 4, layer: undefined })).toBe("hitRate");
  });

  it("has the labels in order of name, whatever order they came in", () => {
    expect(metricKey("hitRate", { layer: 3, cache: "lru" })).toBe("hitRate{cache=lru,layer=3}");
    expect(metricKey("hitRate", { cache: "lru", layer: 3 })).toBe("hitRate{cache=lru,layer=3}");
  });

  it("never gives two sets of labels one key", () => {
    const labels = fc.dictionary(
      fc.string({
        unit: fc.constantFrom("a", "b", "=", ",", "{", "}", "%", "2", "5"),
        maxLength: 4,
      }),
      fc.string({ unit: fc.constantFrom("a", "=", ",", "{", "}", "%", "2", "5"), maxLength: 4 }),
      { maxKeys: 3 },
    );
    const same = (a: Record<string, string>, b: Record<string, string>) =>
      JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());
    fc.assert(
      fc.property(labels, labels, (a, b) => {
        expect(metricKey("m", a) === metricKey("m", b)).toBe(same(a, b));
      }),
      { seed: 20261123, numRuns: 5_000 },
    );
    expect(metricKey("m", { a: "1,b=2" })).not.toBe(metricKey("m", { a: 1, b: 2 }));
  });
});

describe("DomainError", () => {
  class RoomError extends DomainError<{ code: "FULL"; seats: number }> {}

  it("carries its code, its evidence, its cause and the name of its class", () => {
    const cause = new Error("deep");
    const error = new RoomError("no seat left of 3", { code: "FULL", seats: 3 }, { cause });
    expect(error).toMatchObject({ name: "RoomError", code: "FULL", failure: { seats: 3 }, cause });
    expect(error).toBeInstanceOf(Error);
  });

  it("is known by its shape, and nothing else is", () => {
    expect(isDomainError(new RoomError("", { code: "FULL", seats: 0 }))).toBe(true);
    expect(isDomainError(new Error("plain"))).toBe(false);
    expect(isDomainError({ failure: { code: "FULL" } })).toBe(false);
    expect(isDomainError(Object.assign(new Error(""), { failure: { code: 4 } }))).toBe(false);
  });
});
