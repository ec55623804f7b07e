import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AnyExperiment, parseConfig } from "@fmlab/experiment";
import { afterAll, describe, expect, it } from "vitest";
import { schedule } from "../../src/definitions/schedule.ts";
import { train } from "../../src/definitions/train.ts";
import { RecordContext } from "./record-context.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-cnc-train-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TINY = {
  functions: 20,
  minutes: 4,
  perDayMax: 1e5,
  durationSecondsMax: 10,
  topologies: ["built-in"],
  loads: [0.8],
  trainings: 1,
  seeds: 3,
  testNodes: 5,
  trainRequests: 100,
  testRequests: 100,
  teacherScenarios: 2,
  imitationEpochs: 1,
  iterations: 1,
  scenarios: 2,
  rollouts: 2,
  keep: 20,
  evaluateEvery: 1,
};

async function launch(definition: AnyExperiment, config: object) {
  const ctx = new RecordContext(definition, folder, 1);
  const { run } = await definition.load();
  const summary = await run(ctx, parseConfig(definition, config));
  expect([...ctx.pictures.keys()].sort()).toEqual(definition.views.map((v) => v.series).sort());
  return { ctx, summary };
}

describe("cnc-brain.train", () => {
  it("trains, gates and judges, the same with one thread and with two", async () => {
    const { ctx, summary } = await launch(train, { ...TINY, threads: 1 });
    expect(summary.worseCells).toBe(0);
    expect(summary.costRatio).toBeGreaterThan(0);
    expect(summary.optimumRatio).toBeGreaterThanOrEqual(1);
    expect(ctx.notes.get("tensorBackEnd")).toBeDefined();
    const again = await launch(train, { ...TINY, threads: 2 });
    expect(again.summary).toEqual(summary);
    expect(again.ctx.artifacts).toEqual(ctx.artifacts);

    writeFileSync(join(folder, "policy.json"), ctx.artifacts.get("policy-0.json") ?? "");
    const compared = await launch(schedule, {
      functions: 40,
      minutes: 10,
      requestsMax: 300,
      schedulers: ["jsq-2"],
      policyWeights: "policy.json",
    });
    expect(compared.ctx.points.get("placementCost learned")).toBeGreaterThan(0);
    expect(compared.summary.violations).toBe(0);
  });
});
