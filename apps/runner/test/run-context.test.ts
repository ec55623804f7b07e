import { readFileSync } from "node:fs";
import { LIMITS, type RunContext } from "@fmlab/experiment";
import { describe, expect, it } from "vitest";
import { createRunContext, plainSummary } from "../src/context/run-context.ts";
import type { RunEvent } from "../src/context/run-event.ts";
import { temporaryFolder } from "./fixtures/command.ts";
import { counting } from "./fixtures/experiments.ts";

function context(): { ctx: RunContext; events: RunEvent[] } {
  const events: RunEvent[] = [];
  const folder = temporaryFolder();
  const ctx = createRunContext({
    definition: counting,
    seed: 1,
    signal: new AbortController().signal,
    machine: {
      cpuModel: "x",
      cpuCount: 1,
      memoryBytes: 1,
      platform: "linux",
      arch: "x64",
      kernel: "6",
      nodeVersion: "v20",
      gpus: [],
    },
    rooms: { modelsDir: folder, dataDir: undefined, scratchDir: folder, anyPath: false },
    requiredFiles: [],
    stagingDir: folder,
    nowMs: () => 3,
    emit: (event) => events.push(event),
    onFile: () => undefined,
  });
  return { ctx, events };
}

const points = (events: RunEvent[]) =>
  events.flatMap((event) => (event.type === "metrics" ? event.points : []));

describe("the run context", () => {
  it("numbers the steps of each curve by itself when none is given", () => {
    const { ctx, events } = context();
    ctx.metric("count", 5);
    ctx.metric("depth", 1, { layer: 2 });
    ctx.metric("count", 6);
    expect(points(events).map((p) => [p.key, p.step, p.value])).toEqual([
      ["count", 0, 5],
      ["depth{layer=2}", 0, 1],
      ["count", 1, 6],
    ]);
  });

  it("keeps NaN and infinities as gaps", () => {
    const { ctx, events } = context();
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      ctx.metric("count", value);
    }
    expect(points(events).map((p) => p.value)).toEqual([null, null, null]);
  });

  it("lets steps stand still but not fall", () => {
    const { ctx } = context();
    ctx.metric("count", 1, { step: 4 });
    ctx.metric("count", 1, { step: 4 });
    expect(() => ctx.metric("count", 1, { step: 3 })).toThrow("steps must not fall");
    expect(() => ctx.metric("count", 1, { step: Number.NaN })).toThrow("finite");
  });

  it("refuses a metric that is not declared, naming those that are", () => {
    const { ctx } = context();
    expect(() => ctx.metric("cuont", 1)).toThrow("declared are count, depth");
    expect(() => ctx.metric("toString", 1)).toThrow("not declared");
    expect(() => ctx.metric("count", "1" as never)).toThrow("needs a number");
  });

  it("takes exactly as many curves as the limit allows", () => {
    const { ctx } = context();
    for (let layer = 0; layer < LIMITS.metricKeysPerRun; layer++) ctx.metric("depth", 1, { layer });
    ctx.metric("depth", 1, { layer: 0 });
    expect(() => ctx.metric("depth", 1, { layer: 9_999 })).toThrow("500 curves");
  });

  it("refuses labels that would make two curves look alike", () => {
    const { ctx } = context();
    expect(() => ctx.metric("depth", 1, { layer: "1,head=2" })).toThrow("label");
  });

  it("refuses a picture of another kind, with wrong data or too large", () => {
    const { ctx } = context();
    expect(() => ctx.series("curve", { kind: "text", blocks: [] })).toThrow("drawn as line");
    const wrong = { kind: "line", xLabel: "x", yLabel: "y", x: [Number.NaN], curves: [] } as const;
    expect(() => ctx.series("curve", { ...wrong, x: [...wrong.x], curves: [] })).toThrow(
      "not valid",
    );
    const large = { title: "", text: "x".repeat(LIMITS.seriesBytes) };
    expect(() => ctx.series("words", { kind: "text", blocks: [large] })).toThrow("thin it out");
    expect(() => ctx.series("../escape", { kind: "text", blocks: [] })).toThrow("series name");
  });

  it("warns once of a picture that no view draws", () => {
    const { ctx, events } = context();
    ctx.series("words", { kind: "text", blocks: [] });
    ctx.series("words", { kind: "text", blocks: [] });
    const told = events.filter((event) => event.type === "log");
    expect(told).toHaveLength(1);
  });

  it("stages an artifact with its hash and refuses a second one of the name", async () => {
    const { ctx, events } = context();
    await ctx.artifact("a.txt", Buffer.from("abc"), "text/plain");
    const [event] = events;
    if (event?.type !== "artifact") throw new Error("no artifact was told");
    expect(event.artifact.sha256).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    expect(readFileSync(event.artifact.file, "utf8")).toBe("abc");
    await expect(ctx.artifact("a.txt", Buffer.from("d"))).rejects.toThrow("cannot change");
    await expect(ctx.artifact("../a", Buffer.from("d"))).rejects.toThrow("artifact name");
  });
});

describe("a summary", () => {
  it("becomes plain JSON with gaps for what JSON cannot hold", () => {
    expect(plainSummary({ a: Number.NaN, b: 2n, c: undefined })).toEqual({ a: null, b: 2 });
  });

  it("must be an object of a size that can be kept", () => {
    expect(() => plainSummary([1])).toThrow("object");
    expect(() => plainSummary({ text: "x".repeat(1_000_001) })).toThrow("artifact");
  });
});
