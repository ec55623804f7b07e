import { parseConfig } from "@fmlab/experiment";
import { describe, expect, it } from "vitest";
import { attack } from "../../src/definitions/attack.ts";
import { RecordContext } from "./record-context.ts";

async function runOf(config: object) {
  const ctx = new RecordContext(attack, undefined, 1);
  const { run } = await attack.load();
  return { ctx, summary: await run(ctx, parseConfig(attack, config)) };
}

describe("shard-chain.attack", () => {
  it("finds nothing with less than a third of faulty power", async () => {
    const { summary } = await runOf({ schedules: 1 });
    expect(summary).toMatchObject({ schedules: 1, violations: 0, innocentNamed: 0 });
  });

  it("finds forks above, names culprits, and writes down a schedule that forks again", async () => {
    const config = { budget: "third-to-two-thirds", schedules: 6, shrinkRuns: 3 };
    const { ctx, summary } = await runOf(config);
    expect(summary.forks).toBeGreaterThan(0);
    expect(summary.attributed).toBe(summary.forks);
    const replay = ctx.artifacts.get("counterexample.json");
    const again = await runOf({ ...config, shrinkRuns: 0, replay });
    expect(again.summary).toMatchObject({ schedules: 1, forks: 1, innocentNamed: 0 });
  });

  it("searches whole deployments too", async () => {
    const { summary } = await runOf({ scope: "deployment", schedules: 2, transactions: 20 });
    expect(summary).toMatchObject({ schedules: 2, violations: 0 });
  });

  it("says what a replay should look like", async () => {
    await expect(runOf({ replay: "{" })).rejects.toThrow(/counterexample.json/);
  });
});
