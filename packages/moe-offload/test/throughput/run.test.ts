import { describe, expect, it } from "vitest";
import { throughput } from "../../src/definitions/throughput.ts";
import { BatchContext, runExperiment } from "./run-context.ts";

const SMALL = {
  promptTokens: 6,
  outputTokens: 4,
  sequencesPerBatch: 2,
  batches: 2,
  loneBatches: 1,
  link: { bandwidthMBps: 0 },
  compareSequences: 2,
};

describe("the throughput experiment", () => {
  it("tells every schedule, the plan, and how groups differ from one by one", async () => {
    const { ctx, summary } = await runExperiment(throughput, SMALL);
    expect(Object.keys(summary.schedules as object)).toEqual(["simple-pipeline", "klotski"]);
    expect(summary.tokensPerSecond).toBeGreaterThan(0);
    expect(summary.batches).toBe(2);
    expect(summary.klMean).toBeGreaterThanOrEqual(0);
    expect(summary.klMean).toBeLessThan(1e-3);
    expect((summary.text as string[]).length).toBe(4);
    const drawn = [...ctx.pictures.keys()].sort();
    expect(drawn).toEqual(throughput.views.map((view) => view.series).sort());
  });

  it("writes the same texts whatever the schedule, budget and link", async () => {
    const texts: unknown[] = [];
    for (const config of [
      { schedules: ["zig-zag"], budgetMiB: 0.5 },
      { schedules: ["klotski"], budgetMiB: 6.375, link: { bandwidthMBps: 3200 } },
    ]) {
      const run = await runExperiment(throughput, { ...SMALL, compareSequences: 0, ...config });
      texts.push(run.summary.text);
    }
    expect(texts[1]).toEqual(texts[0]);
  });

  it("refuses what it cannot run: schedule, context, memory, budget", async () => {
    const codeOf = (config: Record<string, unknown>) =>
      runExperiment(throughput, { ...SMALL, ...config }).then(
        () => "nothing was thrown",
        (error: { code?: string }) => error.code,
      );
    expect(await codeOf({ promptTokens: 500, outputTokens: 14 })).toBe("CONTEXT_TOO_SMALL");
    expect(await codeOf({ memoryMiB: 6.4, budgetMiB: 6.375 })).toBe("GROUP_TOO_LARGE");
    expect(await codeOf({ budgetMiB: 0.01 })).toBe("BUDGET_TOO_SMALL");
  });

  it("stops within a step when it is cancelled", async () => {
    const ctx = new BatchContext(throughput);
    ctx.onMetric = (key) => {
      if (key === "stepMs") ctx.controller.abort();
    };
    const config = { ...SMALL, outputTokens: 400, schedules: ["klotski"], batches: 1 };
    await expect(runExperiment(throughput, config, ctx)).rejects.toMatchObject({
      code: "CANCELLED",
    });
    expect(ctx.points.size).toBeLessThan(10);
  });
});
