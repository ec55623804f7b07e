import { describe, expect, it } from "vitest";
import { prefill } from "../../src/definitions/prefill.ts";
import { BatchContext, runExperiment } from "../throughput/run-context.ts";

describe("the prefill experiment", () => {
  it("evaluates every cell to the bits of the resident computation", async () => {
    const { ctx, summary } = await runExperiment(prefill, {
      promptTokens: [8, 20],
      budgetsMiB: [0.1, 6.375],
      linksMBps: [0],
      repeats: 1,
    });
    expect(summary.sameBits).toBe(100);
    expect((summary.cells as unknown[]).length).toBe(4);
    expect(ctx.points.get("boundShare")?.length).toBe(4);
    const drawn = [...ctx.pictures.keys()].sort();
    expect(drawn).toEqual(prefill.views.map((view) => view.series).sort());
  });

  it("stops when it is cancelled, also while it waits for a slow link", async () => {
    const ctx = new BatchContext(prefill);
    const running = runExperiment(
      prefill,
      { promptTokens: [16], linksMBps: [0.01], repeats: 1 },
      ctx,
    );
    const stopped = expect(running).rejects.toMatchObject({ code: "CANCELLED" });
    ctx.controller.abort();
    await stopped;
  });
});
