import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AnyExperiment, parseConfig } from "@fmlab/experiment";
import { afterAll, describe, expect, it } from "vitest";
import { forecast } from "../../src/definitions/forecast.ts";
import { keepalive } from "../../src/definitions/keepalive.ts";
import { schedule } from "../../src/definitions/schedule.ts";
import { verifyAudit } from "../../src/governance/audit-log.ts";
import { dataFile } from "../data-dir.ts";
import { RecordContext } from "./record-context.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-cnc-runs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function launch(definition: AnyExperiment, config: object, seed = 1, dataDir = folder) {
  const ctx = new RecordContext(definition, dataDir, seed);
  const { run } = await definition.load();
  const summary = await run(ctx, parseConfig(definition, config));
  expect([...ctx.pictures.keys()].sort()).toEqual(definition.views.map((v) => v.series).sort());
  return { ctx, summary };
}

const SMALL = { functions: 40, minutes: 10, requestsMax: 500 };

describe("cnc-brain.schedule", () => {
  it("gives every metric for every policy, the same for the same seed", async () => {
    const config = { ...SMALL, schedulers: ["round-robin", "jsq-2", "latency-greedy"] };
    const { ctx, summary } = await launch(schedule, config);
    for (const name of config.schedulers) {
      for (const key of Object.keys(schedule.metrics)) {
        if (key === "boundCost") continue;
        expect(ctx.points.get(`${key} ${name}`), `${key} ${name}`).toBeGreaterThanOrEqual(0);
      }
    }
    expect(summary.boundCost).toBeLessThanOrEqual(summary.placementCost as number);
    expect((await launch(schedule, config)).summary).toEqual(summary);
    expect((await launch(schedule, config, 2)).summary).not.toEqual(summary);
  });

  it("comes near the load it was asked for", async () => {
    for (const load of [0.3, 0.6]) {
      const config = { functions: 60, minutes: 30, load, requestsMax: 5000, schedulers: ["jsq-2"] };
      const { summary } = await launch(schedule, { ...config, warmupShare: 0, explain: 0 });
      // Slower cores hold a request longer, cold starts hold cores too, and the end drains.
      expect((summary.utilisation as number) / 100 / load).toBeGreaterThan(0.75);
      expect((summary.utilisation as number) / 100 / load).toBeLessThan(1.35);
    }
  });

  it("keeps to rules and quotas, and leaves a log that verifies", async () => {
    const rules = [{ effect: "deny", reason: "no edge", tenants: ["tenant-0"], tiers: ["edge"] }];
    writeFileSync(join(folder, "rules.json"), JSON.stringify(rules));
    const config = { ...SMALL, policiesFile: "rules.json", quota: 0.2, audit: true };
    const { ctx, summary } = await launch(schedule, { ...config, schedulers: ["kubernetes"] });
    expect(summary.violations).toBe(0);
    const lines = (ctx.artifacts.get("audit-kubernetes.jsonl") ?? "").trim().split("\n");
    expect(lines.length).toBeGreaterThan(10);
    verifyAudit(
      lines.map((line) => JSON.parse(line)),
      summary.auditHead as string,
    );
    writeFileSync(join(folder, "rules.json"), '[{"effect":"deny"}]');
    await expect(launch(schedule, config)).rejects.toThrow(/rule 0: reason must say why/);
    writeFileSync(join(folder, "rules.json"), "[");
    await expect(launch(schedule, config)).rejects.toThrow(/rules.json: no JSON/);
  });

  it("serves all requests through outages, old snapshots, devices and jobs", async () => {
    const { summary } = await launch(schedule, {
      ...SMALL,
      outagesPerNodeHour: 20,
      outageSeconds: 10,
      retries: 50,
      snapshotEveryMs: 1000,
      deviceNodes: 4,
      jobs: 3,
      transfers: "shared",
      network: { source: "fixed" },
      discipline: "ps",
      schedulers: ["sparrow", "min-cost-flow"],
    });
    const policies = summary.policies as Record<string, { lostShare: number }>;
    for (const { lostShare } of Object.values(policies)) expect(lostShare).toBe(0);
  });

  it("says so when there is nothing to schedule", async () => {
    const path = join(folder, "quiet.csv");
    writeFileSync(path, "HashOwner,HashApp,HashFunction,1,2\no,a,f,0,5\n");
    const config = { source: "azure-2019", trace: { invocations: path }, minutes: 1 };
    await expect(launch(schedule, config)).rejects.toThrow(/1 functions? ha.* no request in 1/);
    const { summary } = await launch(schedule, { ...config, fromMinute: 1, warmupShare: 0 });
    expect(summary.requests).toBeGreaterThan(0);
  });

  it("stops when it is cancelled, and says which path is missing", async () => {
    const ctx = new RecordContext(schedule, folder);
    ctx.controller.abort();
    const { run } = await schedule.load();
    await expect(run(ctx, parseConfig(schedule, SMALL))).rejects.toMatchObject({
      failure: { code: "CANCELLED" },
    });
    await expect(launch(schedule, { source: "azure-2021" })).rejects.toThrow(/trace.invocations/);
  });

  const zoo = dataFile("network/topology-zoo-graphml.tar.gz");
  const azure = dataFile("serverless/azure2019_600_inv.csv.gz");
  it.skipIf(zoo === undefined || azure === undefined)(
    "runs on real arrivals and a real network",
    async () => {
      const preset = schedule.presets["azure-on-geant"]?.config ?? {};
      const config = {
        ...preset,
        minutes: 5,
        functions: 60,
        schedulers: ["jsq-2", "latency-greedy"],
      };
      const { summary } = await launch(schedule, config, 1, process.env.FMLAB_DATA_DIR);
      expect(summary.requests).toBeGreaterThan(20);
    },
  );
});

describe("cnc-brain.forecast", () => {
  it("covers what it promises and ranks its models by error", async () => {
    const config = { functions: 40, minutes: 400 };
    const { ctx, summary } = await launch(forecast, config);
    expect(Math.abs((summary.coverage as number) - 90)).toBeLessThan(4);
    const models = summary.models as Record<string, { wape: number }>;
    const least = Math.min(...Object.values(models).map(({ wape }) => wape));
    expect(summary.wape).toBe(least);
    expect(ctx.points.get("wape holt-winters")).toBe(models["holt-winters"]?.wape);
    expect(summary.fitWorstP).toBeGreaterThan(0.001);
  });
});

describe("cnc-brain.keepalive", () => {
  it("has a point for every setting, the oracle before the others", async () => {
    const config = {
      functions: 25,
      minutes: 120,
      keepMinutes: [2, 10],
      memoryFactors: [2],
      memoryPrices: [0.001, 0.004, 0.02],
    };
    const { summary } = await launch(keepalive, config);
    const points = summary.points as {
      policy: string;
      setting: string;
      coldStartRate: number;
      idleMemoryGbHours: number;
    }[];
    expect(points).toHaveLength(2 + 1 + 1 + 3 + 3 + 3);
    expect((await launch(keepalive, config)).summary).toEqual(summary);
    const oracle = points.filter(({ policy }) => policy === "oracle");
    for (const own of oracle) {
      for (const other of points.filter(({ policy }) => policy === "fixed")) {
        const isBeaten =
          other.coldStartRate < own.coldStartRate &&
          other.idleMemoryGbHours < own.idleMemoryGbHours;
        expect(isBeaten, `${own.setting} by ${other.setting}`).toBe(false);
      }
    }
  });
});
