import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { throughput } from "../../src/definitions/throughput.ts";
import { randomModelFile } from "../engine/random-model.ts";
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
let folder: string;
let model: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "fmlab-throughput-"));
  model = path.join(folder, "model.gguf");
  writeFileSync(
    model,
    randomModelFile({
      architecture: "olmoe",
      seed: 3,
      layers: 3,
      width: 64,
      heads: 2,
      kvHeads: 2,
      experts: 8,
      used: 2,
      inner: 64,
      context: 500,
      ropeBase: 10_000,
      epsilon: 1e-5,
    }),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("the throughput experiment", () => {
  it("tells every schedule, the plan, and how groups differ from one by one", async () => {
    const { ctx, summary } = await runExperiment(throughput, { ...SMALL, model });
    expect(Object.keys(summary.schedules as object)).toEqual(["simple-pipeline", "klotski"]);
    expect(summary.tokensPerSecond).toBeGreaterThan(0);
    expect(summary.batches).toBe(2);
    expect(summary.klMean).toBeGreaterThanOrEqual(0);
    expect(summary.klMean).toBeLessThan(1e-3);
    expect((summary.text as string[]).length).toBe(4);
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
