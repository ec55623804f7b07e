import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EvmRunner } from "../../src/ledger/evm-runner.ts";
import type { Deployment } from "../../src/runtime/deployment.ts";
import { runDeployment } from "../../src/runtime/run-deployment.ts";
import { generatedWorkload } from "../../src/workloads/generated-workload.ts";
import { fittedOptions } from "../../src/workloads/generator-options.ts";
import { swaps } from "../../src/workloads/swaps.ts";
import { SMALL_PLAN, smallDeployment } from "../runtime/small-deployment.ts";

/** Every protocol that isolates transactions by locks. */
const LOCK_BASED = ["linear", "centralised", "distributed"].flatMap((orchestration) =>
  ["write", "read-write"].map((locks) => `byshard-${orchestration}-${locks}`),
);

let contracts: EvmRunner;
beforeAll(async () => {
  contracts = await EvmRunner.create();
});
afterAll(async () => {
  await contracts.close();
});

describe.each(["ahl", ...LOCK_BASED])("%s", (protocol) => {
  it("trades on real contracts of other shards, and a trade that reverts does nothing", async () => {
    const workload = swaps(
      {
        transactions: 14,
        traders: 12,
        exchanges: 2,
        reserve: 10n ** 9n,
        largestTradeShare: 0.2,
        slippagePercent: 2,
      },
      3,
    );
    const settings = smallDeployment({
      protocol,
      workload,
      tps: 40,
      deployment: { contracts },
    });
    const { failures, isDrained, deployment, verdicts } = await runDeployment(settings, SMALL_PLAN);
    expect(failures).toEqual([]);
    expect(isDrained).toBe(true);
    // The same trades one by one on one ledger leave the same reserves and balances.
    expect(verdicts.find(({ oracle }) => oracle === "replay")).toMatchObject({ passed: true });
    const { committed, failureRatio } = endingsOf(deployment);
    expect(committed).toBeGreaterThan(0);
    expect(failureRatio).toBeGreaterThan(0);
  });

  it("commits calls that touch three contracts on as many shards", async () => {
    const options = { ...fittedOptions(20), tailAccounts: 100, burstShare: 0, callShare: 1 };
    const workload = generatedWorkload({ ...options, accountsPerCall: [0, 0, 1] }, 5);
    const settings = smallDeployment({ protocol, workload, tps: 40, shards: 4 });
    const { failures, isDrained, deployment } = await runDeployment(settings, SMALL_PLAN);
    expect(failures).toEqual([]);
    expect(isDrained).toBe(true);
    // Some give up: they wait for each other's locks in a circle.
    expect(endingsOf(deployment).committed).toBeGreaterThan(8);
  });
});

/** How all of a run's transactions ended. */
function endingsOf({ recorder }: Deployment) {
  const { committed, failureRatio } = recorder.meter.summarise({ fromMs: 0, toMs: 1e9 });
  return { committed, failureRatio };
}
