import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig, type Summary } from "@fmlab/experiment";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { decode } from "../../src/definitions/decode.ts";
import { type PlanConfig, plan } from "../../src/definitions/plan.ts";
import { replay } from "../../src/definitions/replay.ts";
import { throughput } from "../../src/definitions/throughput.ts";
import { decodeLaunch } from "../../src/plan/launch-config.ts";
import { runPlanJob } from "../../src/plan/plan-job.ts";
import { reportPlan } from "../../src/plan/plan-report.ts";
import type { Plan } from "../../src/planner/plan.ts";
import type { JobHost } from "../../src/replay-run/thread-messages.ts";
import { MonotonicClock } from "../../src/tiers/monotonic-clock.ts";
import { randomModelFile } from "../engine/random-model.ts";
import { RecordContext } from "../quality/record-context.ts";
import { MODELS_DIR, SHIPPED_MODEL } from "../shipped-model.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-plan-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface PlanFacts {
  mode: string;
  expertMiB: number;
  usedExpertMiB: number;
  tokensPerSecond: number;
  launch: { kind: string; config: Record<string, unknown>; command: string };
  group: { launch: { config: Record<string, unknown> } } | undefined;
}

describe("a plan for the shipped model", () => {
  const ctx = new RecordContext(plan, MODELS_DIR, "");
  let summary: Summary;
  let plans: PlanFacts[];
  beforeAll(() => {
    const config = parseConfig(plan, {
      memoryMiB: [12, 48],
      contextTokens: 256,
      tokens: 48,
      learnTokens: 48,
      curvePoints: 2,
      sequences: 8,
      link: { bandwidthMBps: 300 },
    });
    // The thread around it is that of `moe-offload.replay`, which is tested there.
    const parsed = config as PlanConfig;
    const job = { kind: "plan" as const, config: parsed, modelPath: SHIPPED_MODEL, seed: 1 };
    summary = reportPlan(ctx, runPlanJob(job, testHost()), parsed);
    plans = summary.plans as PlanFacts[];
  });

  it("draws every picture and tells every metric", () => {
    expect([...ctx.pictures].sort()).toEqual(plan.views.map(({ series }) => series).sort());
    for (const metric of Object.keys(plan.metrics)) {
      expect(ctx.points.get(metric)?.length, metric).toBeGreaterThan(0);
    }
    for (const value of ctx.points.get("tokensPerSecond") ?? []) expect(value).toBeGreaterThan(0);
  });

  it("keeps what fits and caches what does not", () => {
    expect(plans.map(({ mode }) => mode)).toEqual([
      expect.stringMatching(/^cache/),
      "all-resident",
    ]);
    // 256 tokens of 8 KiB.
    expect(plans[0]?.expertMiB).toBe(10);
    expect(plans[0]?.usedExpertMiB).toBeLessThanOrEqual(10);
    expect(plans[1]?.expertMiB).toBe(25.5);
    expect(plans[1]?.tokensPerSecond).toBeGreaterThan(plans[0]?.tokensPerSecond ?? 0);
  });

  it("names runs whose configs their experiments take", () => {
    for (const { group, launch } of plans) {
      expect(launch.kind).toBe("moe-offload.decode");
      expect(parseConfig(decode, launch.config)).toMatchObject(launch.config);
      expect(launch.command).toContain("--set 'link.bandwidthMBps=300'");
      if (group) parseConfig(throughput, group.launch.config);
    }
    expect(plans.some(({ group }) => group !== undefined)).toBe(true);
  });
});

describe("a plan for any supported model", () => {
  const shape = { heads: 2, kvHeads: 2, inner: 32, context: 24, ropeBase: 10_000, epsilon: 1e-5 };
  const small = { ...shape, seed: 1, width: 64, experts: 4, used: 4, layers: 1 } as const;

  it.each([
    ["with a dense layer first", { ...small, layers: 3, used: 2, denseLead: 1, denseInner: 64 }],
    ["of one layer that uses every expert", small],
  ] as const)("%s has memories in which it runs, and one that holds all", (_, model) => {
    const path = join(folder, "small.gguf");
    const made = { ...model, architecture: "deepseek", sharedCount: 1 } as const;
    writeFileSync(path, randomModelFile(made));
    const config = parseConfig(plan, { tokens: 24, learnTokens: 24, curvePoints: 2 });
    const job = { kind: "plan" as const, config: config as PlanConfig, modelPath: path, seed: 1 };
    const result = runPlanJob(job, testHost());
    expect(result.plans.at(-1)?.mode).toBe("all-resident");
    expect(result.layers).toHaveLength(model.layers - ("denseLead" in model ? 1 : 0));
    for (const { expertBudgetBytes } of result.plans) expect(expertBudgetBytes).toBeGreaterThan(0);
  });
});

function testHost(): JobHost {
  const clock = new MonotonicClock();
  return {
    cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
    nowMs: () => clock.nowMs(),
    throwIfCancelled: () => {},
    progress: () => {},
    log: () => {},
    partial: () => {},
  };
}

describe("a line that launches a plan", () => {
  it("asks for a memory that buys the planned slots, however it is rounded", () => {
    const candidate = { strategy: { policy: "lru", predictor: "none", prefetch: {} } };
    for (const usedBytes of [104_448 * 61, 104_448 * 64, 7_000_001]) {
      const chosen = { candidate, prediction: { usedBytes } };
      const config = parseConfig(plan, {}) as PlanConfig;
      const { config: asked } = decodeLaunch({ chosen } as unknown as Plan, config, 1e9);
      const bytes = Number(asked.budgetMiB) * 2 ** 20;
      expect(bytes).toBeGreaterThanOrEqual(usedBytes);
      expect(bytes).toBeLessThan(usedBytes + 110);
    }
  });

  it("has all experts in host memory and threads for them where the CPU computes misses", () => {
    const strategy = { policy: "lru", predictor: "none", prefetch: {} };
    const candidate = { strategy, isBesideCpu: true };
    const chosen = { candidate, prediction: { usedBytes: 1e6 } };
    const config = parseConfig(plan, { threads: 3 }) as PlanConfig;
    for (const [device, expected] of [
      ["cpu", "cuda"],
      ["vulkan", "vulkan"],
    ] as const) {
      const made = { ...config, device };
      const { config: asked } = decodeLaunch({ chosen } as unknown as Plan, made, 3 * 2 ** 20 + 1);
      expect(asked).toMatchObject({
        device: expected,
        host: { budgetMiB: 4, mode: "pinned" },
        cpuExperts: { threads: 3 },
      });
    }
  });
});

/** Modules a file imports when it is loaded, with those of its relative imports; types left out. */
function staticImports(url: URL, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>();
  if (seen.has(url.href)) return packages;
  seen.add(url.href);
  const source = readFileSync(url, "utf8");
  for (const [, names = "", from = ""] of source.matchAll(/^import ([^;]*?)from "([^"]+)";/gms)) {
    if (names.startsWith("type ")) continue;
    if (!from.startsWith(".")) packages.add(from);
    else for (const name of staticImports(new URL(from, url), seen)) packages.add(name);
  }
  return packages;
}

describe("the definitions of plan and replay", () => {
  it.each(["plan", "replay"])("%s imports nothing but the contract and zod", (name) => {
    const url = new URL(`../../src/definitions/${name}.ts`, import.meta.url);
    expect([...staticImports(url)].sort()).toEqual(["@fmlab/experiment", "zod"]);
  });

  it("explain every field", () => {
    for (const definition of [plan, replay]) {
      const unexplained: string[] = [];
      const visit = (node: Record<string, unknown>, path: string) => {
        const properties = (node.properties ?? {}) as Record<string, Record<string, unknown>>;
        for (const [name, field] of Object.entries(properties)) {
          if (!field.description) unexplained.push(`${path}${name}`);
          visit(field, `${path}${name}.`);
        }
      };
      visit(z.toJSONSchema(definition.config, { io: "input" }) as Record<string, unknown>, "");
      expect(unexplained).toEqual([]);
    }
  });
});
