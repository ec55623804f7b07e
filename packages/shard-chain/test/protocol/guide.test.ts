import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { runDeployment } from "../../src/runtime/run-deployment.ts";
import { SMALL_PLAN, smallDeployment } from "../runtime/small-deployment.ts";
import { LOCAL_ONLY } from "./local-only.ts";

const GUIDE = new URL("../../../../docs/guides/add-a-protocol.md", import.meta.url);
const OWN = new URL("./local-only.ts", import.meta.url);

it("the guide's protocol is the one that is run here", () => {
  const [, shown] = readFileSync(GUIDE, "utf8").match(/```ts\n(.*?)```/s) ?? [];
  const run = readFileSync(OWN, "utf8");
  expect(shown).toBe(
    run.replaceAll('"../../src/protocol/', '"./').replaceAll('"../../src/', '"../'),
  );
});

it("the guide's protocol does what one shard can do alone, and passes every oracle", async () => {
  const settings = smallDeployment({ protocol: "relay", shards: 2, transactions: 60 });
  const protocol = LOCAL_ONLY.create({} as Parameters<typeof LOCAL_ONLY.create>[0]);
  const { failures, isDrained, summary } = await runDeployment(
    { ...settings, protocol },
    SMALL_PLAN,
  );
  expect(failures).toEqual([]);
  expect(isDrained).toBe(true);
  expect(summary.committed).toBeGreaterThan(0);
  expect(summary.failureRatio).toBeGreaterThan(0);
});
