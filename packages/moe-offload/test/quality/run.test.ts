import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type AnyExperiment, parseConfig, presetConfig } from "@fmlab/experiment";
import { afterAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { accuracy } from "../../src/definitions/accuracy.ts";
import { type QualityConfig, quality } from "../../src/definitions/quality.ts";
import { expandModes } from "../../src/quality/modes.ts";
import { openSmall, temporaryFolder } from "../precision/small-moe.ts";
import { RecordContext } from "./record-context.ts";

const { path: folder, remove } = temporaryFolder();
afterAll(remove);
openSmall(folder).file.close();
const TEXT = "abcdefghij ".repeat(8);

function contextOf(definition: AnyExperiment, name: string): RecordContext {
  const scratch = join(folder, name);
  mkdirSync(scratch);
  return new RecordContext(definition, folder, scratch);
}

async function runOf(ctx: RecordContext, definition: AnyExperiment, config: object) {
  const { run } = await definition.load();
  const full = parseConfig(definition, { model: "small.gguf", text: TEXT, ...config });
  return (await run(ctx, full)) as Record<string, unknown>;
}

describe("moe-offload.quality", () => {
  it("measures every mode against full precision, which differs from itself by nothing", async () => {
    const ctx = contextOf(quality, "quality");
    const summary = await runOf(ctx, quality, {
      high: "q4_0",
      mixtureRates: [0.5],
      budgetsPercent: [50],
    });
    const modes = summary.modes as { label: string; meanKl: number; lossyShare: number }[];
    expect(modes.map(({ label }) => label)).toEqual([
      "full",
      "full, token by token",
      "q4_0",
      "q2_k",
      "mixture q4_0/q2_k 0.5",
      "q2_k on miss, lru 50 %",
    ]);
    const kl = modes.map(({ meanKl }) => meanKl);
    expect(kl.slice(0, 2)).toEqual([0, 0]);
    for (const value of kl.slice(2)) expect(value).toBeGreaterThan(0);
    // Half of the uses, or none in the first layer, are Q2_K: less than all.
    for (const value of kl.slice(4)) expect(value).toBeLessThan(kl[3] ?? 0);
    expect(summary.meanKl).toBe(Math.max(...kl));
    expect(summary.expertTypes).toEqual({
      full: ["Q8_0", "Q8_0", "Q8_0"],
      q4_0: ["Q4_0", "Q4_0", "Q4_0"],
      q2_k: ["Q2_K", "Q2_K", "Q4_0"],
    });
    expect([...ctx.pictures].sort()).toEqual(quality.views.map(({ series }) => series).sort());
    for (const key of Object.keys(quality.metrics)) expect(ctx.points.get(key)).toBeDefined();
    expect(readdirSync(ctx.scratchDir)).toHaveLength(2);
  });

  it("ends at once when it is cancelled while copies are made, and leaves none", async () => {
    const ctx = contextOf(quality, "cancelled");
    ctx.onProgress = () => ctx.controller.abort();
    const running = runOf(ctx, quality, { modes: ["q2_k"] });
    await expect(running).rejects.toMatchObject({ code: "CANCELLED" });
    expect(readdirSync(ctx.scratchDir)).toEqual([]);
  });

  it("expands a config to each mode once", () => {
    const config = presetConfig(quality, "every-mode");
    const labels = expandModes({
      ...(config as QualityConfig),
      modes: ["miss-low", "q4_0", "miss-low"],
      budgetsPercent: [25, 50, 25],
    }).map(({ label }) => label);
    expect(labels).toEqual(["q2_k on miss, lru 25 %", "q2_k on miss, lru 50 %", "q4_0"]);
  });
});

describe("moe-offload.accuracy", () => {
  it("carries the cross-layer accuracy of each layer but the first at its top", async () => {
    const ctx = contextOf(accuracy, "accuracy");
    const summary = await runOf(ctx, accuracy, { calibrationTokens: 32, budgetsPercent: [50] });
    const shares = summary.crossLayerAccuracy as number[];
    expect(shares).toHaveLength(2);
    for (const share of shares) expect(share).toBeGreaterThan(0.2);
    expect(summary.predictorAccuracy).toMatchObject({ "cross-layer": { slot: shares } });
    expect(summary.ownGateAccuracy).toEqual([1, 1, 1]);
    expect(summary.chanceAccuracy).toBe(1 / 3);
    expect([...ctx.pictures].sort()).toEqual(accuracy.views.map(({ series }) => series).sort());
    for (const key of Object.keys(accuracy.metrics)) expect(ctx.points.get(key)).toBeDefined();
  });
});

describe("both definitions", () => {
  it("import nothing native and explain every field", () => {
    for (const [name, definition] of Object.entries({ accuracy, quality })) {
      const url = new URL(`../../src/definitions/${name}.ts`, import.meta.url);
      expect(readFileSync(url, "utf8")).not.toMatch(/from "(@fmlab\/ggml|node:)/);
      const schema = z.toJSONSchema(definition.config, { io: "input" });
      const fields = Object.entries(schema.properties ?? {});
      const unexplained = fields.filter(
        ([, field]) => !(field as { description?: string }).description,
      );
      expect(unexplained.map(([field]) => field)).toEqual([]);
      const { files = [] } = definition.requires(parseConfig(definition, { textFile: "x.txt" }));
      expect(files.map(({ room }) => room)).toEqual(["model", "data"]);
    }
  });
});
