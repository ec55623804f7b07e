import { parseConfig } from "@fmlab/experiment";
import { expect, it } from "vitest";
import { fairness } from "../../src/definitions/fairness.ts";
import { RecordContext } from "./record-context.ts";

it("overtakes calls within and across shards where nothing orders them", async () => {
  const ctx = new RecordContext(fairness, undefined, 1);
  const { run } = await fairness.load();
  const protocols = ["ahl", "byshard-linear-write"];
  const config = { protocols, backgroundTransactions: 15, victims: 5, tps: 10 };
  const summary = await run(ctx, parseConfig(fairness, config));
  expect(ctx.points.get("attacksLaunched")).toBe(20);
  for (const protocol of protocols) {
    const [intra = 0, cross = 0] = ["intra", "cross"].map((attack) =>
      ctx.points.get(`attackSuccess ${protocol} ${attack}`),
    );
    expect(intra + cross).toBeGreaterThan(0);
    expect(ctx.points.get(`fairnessInversions ${protocol} cross`)).toBeGreaterThan(0);
  }
  expect(summary.fairnessInversions).toBe(ctx.points.get("fairnessInversions"));
  expect([...ctx.pictures.keys()].sort()).toEqual(["attacks", "inversions", "remarks", "success"]);
});
