import { describe, expect, it } from "vitest";
import { runShapeJob, type ShapeJob } from "../../src/shape-run/shape-job.ts";

const JOB: ShapeJob = {
  kind: "shape",
  shape: "olmoe-1b-7b",
  layerCount: 1,
  storage: "Q4_0",
  device: "cpu",
  slots: [24],
  strategies: ["load-on-demand", "lru", "planned"],
  linkMBps: 0,
  layerMs: 0,
  sequences: 1,
  tokens: 8,
  warmupTokens: 2,
  trainingTokens: 32,
  threads: 1,
  cpuExperts: { threads: 0, choice: "planned" },
  seed: 1,
};

describe("a shape", () => {
  it("is decoded by each strategy over the same routing, and says that it is one", () => {
    const labels: unknown[] = [];
    const result = runShapeJob(JOB, {
      throwIfCancelled() {},
      progress() {},
      log() {},
      partial: (_step, points) => labels.push(...points.map((point) => point.labels.strategy)),
    });
    expect(result.label.title).toMatch(/^shape of OLMoE .*random content/);
    expect(labels).toEqual(JOB.strategies);
    const [demand, lru, planned] = result.cells;
    // One layer, top-8: on demand every token loads all it uses.
    expect(demand?.hitRate).toBe(0);
    expect(demand?.missedBytes).toBe(8 * result.expertBytes);
    expect(demand?.loadedBytes).toBe(8 * result.expertBytes);
    expect(lru?.missedBytes).toBeLessThan(8 * result.expertBytes);
    expect(planned?.plan?.title).toBeTruthy();
    for (const cell of result.cells) expect(cell.stepMs).toHaveLength(6);
    // Who knows more misses no more, and nobody is faster than the bound.
    const [gate, all] = result.foresight;
    expect(gate?.missedBytes).toBeLessThanOrEqual(lru?.missedBytes ?? 0);
    for (const one of [gate, all]) expect(one?.boundShare).toBeLessThanOrEqual(1.000_001);
    expect(all?.tokenMs).toBeLessThanOrEqual((gate?.tokenMs ?? 0) * 1.000_001);
  });

  it("stops when it is cancelled", () => {
    const host = {
      throwIfCancelled() {
        throw new Error("stop");
      },
      progress() {},
      log() {},
      partial() {},
    };
    expect(() => runShapeJob(JOB, host)).toThrow("stop");
  });
});
