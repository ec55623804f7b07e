import { afterAll, describe, expect, it } from "vitest";
import { prefill } from "../../src/definitions/prefill.ts";
import { writeRandomModel } from "../throughput/random-model-file.ts";
import { BatchContext, runExperiment } from "../throughput/run-context.ts";

const { model, remove } = writeRandomModel({ architecture: "qwen3moe", context: 64 });
afterAll(remove);

describe("the prefill experiment", () => {
  it("evaluates every cell to the bits of the resident computation", async () => {
    const { ctx, summary } = await runExperiment(prefill, {
      model,
      promptTokens: [8, 20],
      budgetsMiB: [0.02],
      linksMBps: [0],
      repeats: 1,
    });
    expect(summary.sameBits).toBe(100);
    expect((summary.cells as unknown[]).length).toBe(2);
    expect(ctx.points.get("boundShare")?.length).toBe(2);
    const drawn = [...ctx.pictures.keys()].sort();
    expect(drawn).toEqual(prefill.views.map((view) => view.series).sort());
  });

  it("stops when it is cancelled, also while it waits for a slow link", async () => {
    const ctx = new BatchContext(prefill);
    const config = { model, promptTokens: [16], linksMBps: [1e-4], budgetsMiB: [1], repeats: 1 };
    const running = runExperiment(prefill, config, ctx);
    const stopped = expect(running).rejects.toMatchObject({ code: "CANCELLED" });
    ctx.controller.abort();
    await stopped;
  });
});
