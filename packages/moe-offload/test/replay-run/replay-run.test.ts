import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig, presetConfig } from "@fmlab/experiment";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decode } from "../../src/definitions/decode.ts";
import { plan } from "../../src/definitions/plan.ts";
import { type ReplayConfig, replay } from "../../src/definitions/replay.ts";
import { STRATEGIES } from "../../src/offload/strategies.ts";
import { recordOwnText } from "../../src/planner/own-text.ts";
import { predict } from "../../src/planner/predict.ts";
import { openTextModel } from "../../src/quality/open-text-model.ts";
import { type ReplayRunResult, runReplayJob } from "../../src/replay-run/replay-job.ts";
import { reportReplay } from "../../src/replay-run/replay-report.ts";
import { openReplaySetting } from "../../src/replay-run/replay-setting.ts";
import type { JobHost, ReplayJob } from "../../src/replay-run/thread-messages.ts";
import { writeTrace } from "../../src/traces/trace-file.ts";
import { RecordContext } from "../quality/record-context.ts";
import { MODELS_DIR, SHIPPED_MODEL } from "../shipped-model.ts";
import { smallTrace } from "../traces/small-trace.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-replay-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A host that takes everything; cancelled from the start if asked for. */
function quietHost(isCancelled = false): JobHost & { partials: unknown[] } {
  const partials: unknown[] = [];
  return {
    partials,
    cancelFlag: new Int32Array(new SharedArrayBuffer(4)).fill(isCancelled ? 1 : 0),
    nowMs: () => 0,
    throwIfCancelled() {
      if (isCancelled) throw new Error("cancelled");
    },
    progress: () => {},
    log: () => {},
    partial: (value) => partials.push(value),
  };
}

function jobOf(config: Record<string, unknown>, paths: Partial<ReplayJob> = {}): ReplayJob {
  const parsed = parseConfig(replay, config) as ReplayConfig;
  return {
    kind: "replay",
    config: parsed,
    modelPath: undefined,
    tracePath: undefined,
    seed: 1,
    ...paths,
  };
}

const context = () => new RecordContext(replay, MODELS_DIR, folder);
const GENERATED = {
  trace: "generated",
  shape: "mixtral-8x7b",
  tokens: 40,
  learnTokens: 40,
  budgetsPercent: [20, 60],
  machine: "rtx3090-pcie4",
  strategies: ["load-on-demand", "lru"],
  policies: ["belady", "lru"],
  predictors: ["none", "cross-layer"],
};

describe("a replay of generated routing", () => {
  let result: ReplayRunResult;
  const host = quietHost();
  beforeAll(() => {
    result = runReplayJob(jobOf(GENERATED), host);
  });

  it("has a cell for every strategy and combination in every memory, told as it goes", () => {
    const names = ["load-on-demand", "lru", "belady/none", "belady/cross-layer", "lru/none"];
    expect(result.cells.map(({ strategy }) => strategy)).toEqual(
      [0, 1].flatMap(() => [...names, "lru/cross-layer"]),
    );
    expect(host.partials).toHaveLength(result.cells.length);
    expect(result.isSimulatedRouting).toBe(true);
  });

  it("ranks as theory says: nothing below load on demand, nothing above the best possible", () => {
    for (const { budgetBytes } of result.cells.filter(({ strategy }) => strategy === "lru")) {
      const cells = result.cells.filter((one) => one.budgetBytes === budgetBytes);
      const speed = (name: string) =>
        cells.find(({ strategy }) => strategy === name)?.found?.tokensPerSecond ?? Number.NaN;
      expect(speed("lru")).toBeGreaterThan(speed("load-on-demand"));
      expect(speed("belady/none")).toBeGreaterThanOrEqual(speed("lru/none"));
      for (const { beladyTokensPerSecond, found } of cells) {
        expect(found?.tokensPerSecond).toBeLessThanOrEqual(beladyTokensPerSecond ?? 0);
        expect(found?.tokensPerSecond).toBeLessThanOrEqual(found?.boundTokensPerSecond ?? 0);
      }
    }
  });

  it("takes a token's time apart into parts that sum to it", () => {
    for (const { found } of result.cells) {
      if (!found) throw new Error("every cell can run");
      expect(found.computeMs + found.stallMs).toBeCloseTo(found.totalMs, 6);
      expect(found.wireMs).toBeLessThanOrEqual(found.stallMs);
      expect(found.hitRateByLayer).toHaveLength(32);
    }
  });

  it("draws every picture, and sums up by the fastest that could run", () => {
    const ctx = context();
    const summary = reportReplay(ctx, result);
    expect([...ctx.pictures].sort()).toEqual(replay.views.map(({ series }) => series).sort());
    const causal = result.cells.filter(({ isOracle }) => !isOracle);
    const best = Math.max(...causal.map(({ found }) => found?.tokensPerSecond ?? 0));
    expect(summary.tokensPerSecond).toBe(best);
    // Cells were told before: what is told now are the run's results, which tables show.
    for (const key of Object.keys(replay.metrics)) {
      expect(ctx.points.get(key), key).toEqual([summary[key]]);
    }
  });
});

describe("a replay of a trace file", () => {
  const path = join(folder, "small.fmltrace");
  const config = {
    trace: "file",
    traceFile: "small.fmltrace",
    expertMiB: 1,
    tokens: 40,
    learnTokens: 20,
    strategies: ["lru", "hybrimoe", "ours"],
    budgetsPercent: [5, 50],
  };
  beforeAll(() => writeTrace(path, smallTrace({ tokens: 80, reuse: 0.5, aheadDepth: 1 })));

  it("says what cannot run and why, and replays the rest as the replayer would", () => {
    const job = jobOf(config, { tracePath: path });
    const { cells } = runReplayJob(job, quietHost());
    const problems = cells.map(({ problem }) => problem ?? "");
    // 5 % is less than the experts of one token; three layers ahead are not in the trace.
    expect(problems[0]).toContain("too small");
    expect(problems[3]).toBe("");
    expect(problems[4]).toContain("looks at 3 later routers");
    const { machine, model, workload } = openReplaySetting(job, quietHost());
    const alone = predict({ machine, model, workload }, STRATEGIES.lru, 9 * 2 ** 20);
    expect(cells[3]?.found?.tokensPerSecond).toBe(alone?.result.tokensPerSecond);
  });

  it("gives the same summary again, to the byte", () => {
    const job = jobOf(config, { tracePath: path });
    const sum = () => JSON.stringify(reportReplay(context(), runReplayJob(job, quietHost())));
    expect(sum()).toBe(sum());
  });

  it("needs the sizes that a trace does not have, and refuses what it cannot do", () => {
    const run = (more: Record<string, unknown>, paths: Partial<ReplayJob> = {}) =>
      runReplayJob(jobOf({ ...config, ...more }, paths), quietHost());
    const tracePath = path;
    expect(() => run({ expertMiB: 0 }, { tracePath })).toThrow("expertMiB");
    expect(() => run({})).toThrow("traceFile");
    expect(() => run({ trace: "generated" })).toThrow("shape");
    expect(() => run({ strategies: [] }, { tracePath })).toThrow("nothing to replay");
    expect(() => run({ budgetsPercent: [] }, { tracePath })).toThrow("at least one memory");
    const measured = { compute: "measured" };
    const both = { tracePath, modelPath: SHIPPED_MODEL };
    expect(() => run(measured, both)).toThrow("own-text where compute is measured");
    const cancelled = () => runReplayJob(jobOf(config, { tracePath }), quietHost(true));
    expect(cancelled).toThrow("cancelled");
  });
});

describe("a text that the model writes itself", () => {
  it("routes the same, bit for bit, with all experts in memory and with a quarter", () => {
    const text = openTextModel(SHIPPED_MODEL);
    const record = (memoryBytes: number, seed: number) =>
      recordOwnText(text, {
        tokenCount: 24,
        seed,
        threads: 1,
        memoryBytes,
        cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
      });
    const whole = record(2 ** 30, 3);
    expect(record(6_684_672, 3)).toEqual(whole);
    expect(record(2 ** 30, 4).experts).not.toEqual(whole.experts);
    expect(whole.tokenCount).toBe(24);
    text.file.close();
  });
});

describe("the experiment", () => {
  it("runs in a thread, and can be cancelled while its model writes", async () => {
    const config = parseConfig(replay, { tokens: 2000, learnTokens: 2000 });
    const { run } = await replay.load();
    const ctx = context();
    ctx.onProgress = () => ctx.controller.abort();
    await expect(run(ctx, config)).rejects.toMatchObject({ code: "CANCELLED" });
  });

  it("has presets whose memories are Fate's, in whole slots", () => {
    const config = presetConfig(replay, "fate-qwen") as ReplayConfig;
    const slots = config.budgetsMiB.map((count) => Math.floor(count / config.expertMiB));
    expect(slots).toEqual([158, 356, 555, 952, 1349]);
    for (const definition of [replay, plan, decode]) expect(definition.version).toBeGreaterThan(0);
  });
});
