import { describe, expect, it } from "vitest";
import { shapeGroups } from "../../src/definitions/shape-groups.ts";
import { runExperiment } from "../throughput/run-context.ts";

const SMALL = {
  shape: "olmoe-1b-7b",
  layers: 2,
  widthDivisor: 16,
  slots: 40,
  schedules: ["simple-pipeline", "klotski", "klotski"],
  batches: 2,
  promptTokens: 4,
  outputTokens: 14,
  trainingTokens: 32,
  linkMBps: 0,
};

describe("the experiment of groups over a shape", () => {
  it("tells every schedule once and draws every picture, each with its label", async () => {
    const { ctx, summary } = await runExperiment(shapeGroups, SMALL);
    expect(Object.keys(summary.schedules as object)).toEqual(["simple-pipeline", "klotski"]);
    expect(summary.isShape).toBe(true);
    expect(summary.label).toMatch(/^shape of OLMoE.*random content/);
    expect(summary.overFirst).toBeGreaterThan(0);
    // Three blocks of four steps and more give an interval.
    expect(summary.overFirstLow).toBeGreaterThan(0);
    const declared = Object.keys(shapeGroups.metrics);
    const results = Object.keys(summary).filter((key) => declared.includes(key));
    expect(results.filter((key) => !ctx.points.has(key))).toEqual([]);
    const views = shapeGroups.views.map((view) => view.series).sort();
    expect([...ctx.pictures.keys()].sort()).toEqual(views);
    const isLabelled = (text: string | undefined) => /random content/i.test(text ?? "");
    expect(shapeGroups.views.every((view) => isLabelled(view.help))).toBe(true);
  });
});
