import { afterAll, describe, expect, it } from "vitest";
import { throughput } from "../../src/definitions/throughput.ts";
import { writeRandomModel } from "./random-model-file.ts";
import { BatchContext, runExperiment } from "./run-context.ts";

const SMALL = {
  promptTokens: 6,
  outputTokens: 4,
  sequencesPerBatch: 2,
  batches: 2,
  loneBatches: 1,
  budgetMiB: 0.1,
  link: { bandwidthMBps: 0 },
  compareSequences: 2,
};
const { model, remove } = writeRandomModel({ architecture: "olmoe", context: 500 });
afterAll(remove);

describe("the throughput experiment", () => {
  it("tells every schedule, the plan, and how groups differ from one by one", async () => {
    const { ctx, summary } = await runExperiment(throughput, { ...SMALL, model });
    expect(Object.keys(summary.schedules as object)).toEqual(["simple-pipeline", "klotski"]);
    expect(summary.tokensPerSecond).toBeGreaterThan(0);
    expect(summary.batches).toBe(2);
    expect(summary.klMean).toBeGreaterThanOrEqual(0);
    expect(summary.klMean).toBeLessThan(1e-3);
    expect((summary.text as string[]).length).toBe(4);
    // A run's result is stored with the metric of its name, which must have been told unlabelled.
    const declared = Object.keys(throughput.metrics);
    const results = Object.keys(summary).filter((key) => declared.includes(key));
    const untold = results.filter((key) => summary[key] !== null && !ctx.points.has(key));
    expect(untold).toEqual([]);
    const drawn = [...ctx.pictures.keys()].sort();
    expect(drawn).toEqual(throughput.views.map((view) => view.series).sort());
  });

  it("stops within a step when it is cancelled", async () => {
    const ctx = new BatchContext(throughput);
    ctx.onMetric = (key) => {
      if (key === "stepMs") ctx.controller.abort();
    };
    const config = { ...SMALL, model, outputTokens: 400, schedules: ["klotski"], batches: 1 };
    await expect(runExperiment(throughput, config, ctx)).rejects.toMatchObject({
      code: "CANCELLED",
    });
    expect(ctx.pictures.has("output")).toBe(false);
  });
});
