import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseConfig, presetConfig, type Summary } from "@fmlab/experiment";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { definitions } from "../../src/definitions/index.ts";
import { sequenceStarts } from "../../src/traces/trace.ts";
import { readTrace } from "../../src/traces/trace-file.ts";
import { MemoryContext } from "./memory-context.ts";

const [definition] = definitions;
if (definition === undefined) throw new Error("no experiment is defined");

/** Runs the experiment as a runner does: parse, load, run. */
async function runExperiment(config: Record<string, unknown>, ctx = new MemoryContext()) {
  const parsed = parseConfig(definition as NonNullable<typeof definition>, config);
  const module = await definition?.load();
  const summary = (await module?.run(ctx, parsed)) as Summary;
  return { ctx, summary };
}

const SHORT = {
  prompts: ["The lamp in the lighthouse", "When the sisters"],
  maxTokens: 16,
  link: { bandwidthMBps: 0 },
  sampling: { temperature: 0 },
  ignoreEnd: true,
};
/** What may differ between two runs of one seed. */
const MEASURED = /Ms|PerSecond/;
const stable = (summary: Summary) =>
  Object.fromEntries(Object.entries(summary).filter(([key]) => !MEASURED.test(key)));

/** Ways to come to the same text; several tests look at what each run told. */
const WAYS = {
  /** 64 slots, and all that can be kept of a run. */
  lru: { policy: "lru", budgetMiB: 6.375, timelineTokens: 2, recordTrace: true },
  allResident: { policy: "all-resident", budgetMiB: 25.5, timelineTokens: 0 },
  onDemand: { policy: "on-demand", budgetMiB: 1 },
  kvInBudget: { policy: "lru", budgetMiB: 4, kvInBudget: true },
  ours: {
    policy: "reuse",
    layerSizes: "miss-curves",
    predictor: "cross-layer",
    prefetch: { control: "adaptive" },
    readyFirst: true,
    host: { budgetMiB: 30 },
    link: { bandwidthMBps: 1600 },
  },
};
type Way = keyof typeof WAYS;

describe("the decode experiment", () => {
  const runs = new Map<string, Awaited<ReturnType<typeof runExperiment>>>();
  const runOf = (way: Way) => {
    const run = runs.get(way);
    if (run === undefined) throw new Error(`${way} did not run`);
    return run;
  };
  beforeAll(async () => {
    for (const [way, config] of Object.entries(WAYS)) {
      runs.set(way, await runExperiment({ ...SHORT, ...config }));
    }
  });

  it("gives the same text, counts and pictures for the same seed and config", async () => {
    const config = { ...SHORT, sampling: { temperature: 0.8 } };
    const first = await runExperiment(config);
    const second = await runExperiment(config);
    expect(stable(second.summary)).toEqual(stable(first.summary));
    for (const name of ["output", "expertRouted", "expertLoads"]) {
      expect(second.ctx.pictures.get(name)).toEqual(first.ctx.pictures.get(name));
    }
    const other = await runExperiment(config, new MemoryContext(2));
    expect(other.summary.text).not.toEqual(first.summary.text);
  });

  it("writes the same text whatever the policy and the budget", () => {
    const texts = [...runs.values()].map(({ summary }) => summary.tokens as number[][]);
    for (const text of texts) expect(text).toEqual(texts[0]);
    expect(texts[0]?.map((tokens) => tokens.length)).toEqual([16, 16]);
  });

  it("counts hits, misses and bytes so that they agree with each other", () => {
    const { ctx, summary } = runOf("lru");
    const heat = (name: string) => {
      const series = ctx.pictures.get(name);
      if (series?.kind !== "heatmap") throw new Error(`${name} is no heatmap`);
      return series.values.flat().reduce((sum: number, value) => sum + (value ?? 0), 0);
    };
    const steps = summary.decodeSteps as number;
    expect(steps).toBe(2 * 15);
    expect(heat("expertRouted")).toBe(steps * 8 * 4);
    const loads = heat("expertLoads");
    expect(summary.hitRate).toBeCloseTo(100 * (1 - loads / (steps * 8 * 4)), 9);
    expect(summary.bytesPerToken).toBeCloseTo((loads * 104_448) / steps, 6);
    const bytes = (ctx.points.get("bytesPerToken") ?? []).map((p) => p.value);
    expect(bytes.reduce((a, b) => a + b, 0)).toBe(loads * 104_448);
    expect(summary.deliveredBytes).toBe(loads * 104_448 + (summary.prefillBytes as number));
    const byLayer = summary.hitRateByLayer as number[];
    expect(byLayer.reduce((a, b) => a + b, 0) / 8).toBeCloseTo(summary.hitRate as number, 9);
    byLayer.forEach((rate, layer) => {
      expect(ctx.points.get(`hitRate{layer=${layer}}`)?.[0]?.value).toBe(rate);
    });
    expect(summary.budget).toMatchObject({
      slotCount: 64,
      slotsByLayer: new Array(8).fill(8),
      usedBytes: 6_684_672,
    });
  });

  it("evaluates a prompt at once when asked to and all experts are resident", async () => {
    const config = { ...SHORT, policy: "all-resident", budgetMiB: 26, promptEvaluation: "batch" };
    const { summary } = await runExperiment(config);
    expect((summary.tokens as number[][]).map((tokens) => tokens.length)).toEqual([16, 16]);
  });

  it("misses nothing when all experts are resident and everything on demand", () => {
    const all = runOf("allResident").summary;
    expect(all).toMatchObject({ hitRate: 100, bytesPerToken: 0, stallMsPerToken: 0 });
    const none = runOf("onDemand").summary;
    expect(none).toMatchObject({ hitRate: 0, bytesPerToken: 32 * 104_448 });
    expect(none.expertMemoryMiB).toBeCloseTo((4 * 104_448) / 1_048_576, 9);
  });

  it("waits at least as long as the missed bytes take on the link", async () => {
    const { ctx, summary } = await runExperiment({
      prompts: ["Once"],
      maxTokens: 8,
      policy: "on-demand",
      link: { bandwidthMBps: 400, latencyUs: 100 },
    });
    const linkMs = 32 * (104_448 / 400e3 + 0.1);
    const stalls = (ctx.points.get("stallMsPerToken") ?? []).map((p) => p.value);
    expect(stalls.length).toBe(summary.decodeSteps);
    // Waiting begins a moment after the load was asked for.
    for (const stall of stalls) expect(stall).toBeGreaterThan(0.9 * linkMs);
    const tokens = (ctx.points.get("tokenMs") ?? []).map((p) => p.value);
    tokens.forEach((ms, i) => {
      expect(ms).toBeGreaterThan(stalls[i] ?? 0);
    });
  });

  it("draws every picture, and a timeline that does not compute while it loads", () => {
    const { ctx } = runOf("lru");
    expect([...ctx.pictures.keys()].sort()).toEqual(definition?.views.map((v) => v.series).sort());
    const timeline = ctx.pictures.get("pipeline");
    if (timeline?.kind !== "timeline") throw new Error("no timeline");
    const lane = (n: number) =>
      timeline.events.filter((e) => e.lane === n && e.category !== "stall");
    // Two steps of eight layers with attention and experts each, and the head.
    expect(lane(0)).toHaveLength(2 * (8 * 2 + 1));
    expect(lane(1).length).toBeGreaterThan(0);
    for (const load of lane(1)) {
      for (const compute of lane(0)) {
        const overlaps = load.startMs < compute.endMs && compute.startMs < load.endMs;
        expect(overlaps).toBe(false);
      }
    }
  });

  it("keeps the timeline as a trace file with the same bars, and none without a timeline", () => {
    const { ctx } = runOf("lru");
    const timeline = ctx.pictures.get("pipeline");
    if (timeline?.kind !== "timeline") throw new Error("no timeline");
    const { traceEvents } = JSON.parse(
      Buffer.from(ctx.files.get("pipeline.trace.json") ?? []).toString(),
    ) as { traceEvents: { ph: string; tid: number; ts: number; dur: number }[] };
    const bars = traceEvents.filter(({ ph }) => ph === "X");
    expect(bars.map(({ tid }) => tid)).toEqual(timeline.events.map(({ lane }) => lane));
    bars.forEach(({ ts, dur }, i) => {
      expect(ts / 1e3).toBeCloseTo(timeline.events[i]?.startMs ?? Number.NaN, 6);
      expect((ts + dur) / 1e3).toBeCloseTo(timeline.events[i]?.endMs ?? Number.NaN, 6);
    });
    expect(traceEvents.filter(({ ph }) => ph === "M")).toHaveLength(timeline.lanes.length);
    expect([...runOf("allResident").ctx.files.keys()]).toEqual([]);
  });

  it("learns from a text that is named, and from no more than that", async () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), "fmlab-text-")), "learn.txt");
    writeFileSync(file, "The keeper lit the lamp. The sisters opened the trunk.");
    const learning = { policy: "reuse", predictor: "layer-map", budgetMiB: 6.375 };
    const config = { ...SHORT, ...learning, maxTokens: 4, calibrationFile: file };
    const { ctx } = await runExperiment(config);
    const [, tokens] = /^(\d+) tokens, .*learn\.txt$/.exec(`${ctx.notes.get("calibration")}`) ?? [];
    expect(Number(tokens)).toBeGreaterThan(5);
    expect(Number(tokens)).toBeLessThan(30);
  });

  it("keeps what the routers said as a trace that can be replayed", () => {
    const { ctx, summary } = runOf("lru");
    const file = path.join(mkdtempSync(path.join(tmpdir(), "fmlab-trace-")), "routing.trace.gz");
    writeFileSync(file, ctx.files.get("routing.trace.gz") ?? new Uint8Array(0));
    const trace = readTrace(file);
    rmSync(path.dirname(file), { recursive: true });
    const steps = summary.decodeSteps as number;
    expect(trace.tokenCount).toBe((summary.promptTokens as number) + steps);
    expect(sequenceStarts(trace)).toHaveLength(2);
    expect(trace.aheadDepth).toBe(3);
    const routed = ctx.pictures.get("expertRouted");
    if (routed?.kind !== "heatmap") throw new Error("no heatmap");
    // The picture counts decode steps; the second prompt's are the trace's last.
    const last = trace.experts.slice(-8 * 4);
    last.forEach((expert, i) => {
      expect(routed.values[Math.floor(i / 4)]?.[expert] ?? 0).toBeGreaterThan(0);
    });
  });

  it("stops within a token when it is cancelled, and tells so", async () => {
    const ctx = new MemoryContext();
    ctx.onMetric = (key) => {
      if (key === "tokenMs") ctx.controller.abort();
    };
    const config = { ...SHORT, maxTokens: 400, policy: "on-demand", link: { bandwidthMBps: 50 } };
    const startMs = performance.now();
    await expect(runExperiment(config, ctx)).rejects.toMatchObject({
      name: "ExperimentError",
      failure: { code: "CANCELLED" },
    });
    expect(performance.now() - startMs).toBeLessThan(10_000);
    expect(ctx.points.get("tokenMs")?.length ?? 0).toBeLessThan(100);
  });

  it("stops in the middle of a token that would take minutes", async () => {
    const ctx = new MemoryContext();
    ctx.onMetric = () => ctx.controller.abort();
    const config = { policy: "on-demand", link: { bandwidthMBps: 0.001, latencyUs: 1_000_000 } };
    const startMs = performance.now();
    await expect(runExperiment(config, ctx)).rejects.toMatchObject({
      failure: { code: "CANCELLED" },
    });
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });

  it("does not start when it was cancelled before", async () => {
    const ctx = new MemoryContext();
    ctx.controller.abort();
    await expect(runExperiment({}, ctx)).rejects.toMatchObject({ failure: { code: "CANCELLED" } });
    expect(ctx.points.size).toBe(0);
  });

  it("frees threads and file handles, also after errors", async () => {
    const { readdirSync } = await import("node:fs");
    const handles = () => readdirSync("/proc/self/fd").length;
    const threads = () => readdirSync("/proc/self/task").length;
    const before = { handles: handles(), threads: threads() };
    // Two threads wait for each other at every node, which takes long on a machine that is busy.
    await runExperiment({ ...SHORT, prompts: ["a"], maxTokens: 1, threads: 2 });
    for (let i = 0; i < 2; i++) {
      await runExperiment({ ...SHORT, prompts: ["a"], maxTokens: 2 });
      await expect(runExperiment({ budgetMiB: 0.1 })).rejects.toThrow();
    }
    // Threads that moved experts end a moment after their last word.
    await vi.waitFor(() => {
      expect(handles()).toBeLessThanOrEqual(before.handles);
      expect(threads()).toBeLessThanOrEqual(before.threads);
    }, 5_000);
  });
});

describe("presets", () => {
  it.each(Object.keys(definition.presets))("%s is valid and within the model's limits", (name) => {
    const config = presetConfig(definition as NonNullable<typeof definition>, name);
    expect(definition?.requires(config).files?.[0]?.path).toBe("tiny-story-moe.q8_0.gguf");
  });

  it("quick is emulated and all-resident is measured", () => {
    const fidelity = (name: string) => {
      const known = definition as NonNullable<typeof definition>;
      return known.fidelity(presetConfig(known, name));
    };
    expect(fidelity("quick")).toBe("emulated");
    expect(fidelity("load-on-demand")).toBe("emulated");
    expect(fidelity("all-resident")).toBe("measured");
  });
});
