import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { prefill } from "../../src/definitions/prefill.ts";
import { randomModelFile } from "../engine/random-model.ts";
import { BatchContext, runExperiment } from "../throughput/run-context.ts";

let folder: string;
let model: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "fmlab-prefill-"));
  model = path.join(folder, "model.gguf");
  writeFileSync(
    model,
    randomModelFile({
      architecture: "qwen3moe",
      seed: 3,
      layers: 3,
      width: 64,
      heads: 2,
      kvHeads: 2,
      experts: 8,
      used: 2,
      inner: 64,
      context: 64,
      ropeBase: 10_000,
      epsilon: 1e-5,
    }),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

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
