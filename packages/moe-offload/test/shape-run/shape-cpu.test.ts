import { GgmlLibrary } from "@fmlab/ggml";
import { describe, expect, it } from "vitest";
import { DEVICES } from "../../src/engine/device/device-names.ts";
import { waysOf } from "../../src/shape-run/cell-cpu.ts";
import { runShapeJob } from "../../src/shape-run/shape-job.ts";

const library = GgmlLibrary.load();
const card = DEVICES.find((name) => name !== "cpu" && library.find(name) !== undefined);
const why = card === undefined ? " (skipped: ggml offers no CUDA or Vulkan card here)" : "";

describe("the ways in which a cell may answer its misses", () => {
  it("are one without threads, two for a plan, and the one that is asked for", () => {
    expect(waysOf({ threads: 0, choice: "always" }, true)).toEqual([undefined]);
    expect(waysOf({ threads: 4, choice: "planned" }, false)).toEqual([undefined]);
    const balanced = { threads: 4, choice: "balanced" };
    expect(waysOf({ threads: 4, choice: "planned" }, true)).toEqual([undefined, balanced]);
    for (const isPlanned of [false, true]) {
      expect(waysOf({ threads: 4, choice: "balanced" }, isPlanned)).toEqual([balanced]);
    }
  });
});

describe.skipIf(card === undefined)(`a shape on ${card ?? "a card"}${why}`, () => {
  it("tells what the CPU computed, none of which was missed or loaded", () => {
    const result = runShapeJob(
      {
        ...{ kind: "shape", shape: "olmoe-1b-7b", layerCount: 1, storage: "Q4_0" },
        ...{ device: card ?? "cpu", slots: [24], strategies: ["load-on-demand"] },
        ...{ linkMBps: 0, layerMs: 0, sequences: 1, tokens: 2, warmupTokens: 1 },
        ...{ trainingTokens: 16, threads: 1, seed: 1 },
        cpuExperts: { threads: 1, choice: "always" },
      },
      { throwIfCancelled() {}, progress() {}, log() {}, partial() {} },
    );
    expect(result.measuredCpu?.expertMs).toBeGreaterThan(0);
    expect(result.resident.besideCpuMs).toBeGreaterThan(0);
    const [cell] = result.cells;
    expect(cell).toMatchObject({ cpuRate: 1, hitRate: 0, missedBytes: 0, loadedBytes: 0 });
    expect(cell?.boundMs).toBe(result.resident.splitMs);
  });
});
