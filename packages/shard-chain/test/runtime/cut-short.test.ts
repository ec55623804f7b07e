import { expect, it } from "vitest";
import { runDeployment } from "../../src/runtime/run-deployment.ts";
import { smallBank } from "../../src/workloads/smallbank.ts";
import { smallDeployment } from "./small-deployment.ts";

/** Found by saturation runs: what is decided and half done at the end is no money from nowhere. */
it.each(["haechi", "byshard-distributed-write"])(
  "%s may be cut short with payees paid and payers not",
  async (protocol) => {
    const options = { transactions: 150, customers: 200, zipfExponent: 0 };
    const settings = smallDeployment({
      protocol,
      workload: smallBank({ ...options, weights: [0, 0, 0, 0, 1, 1] }, 1),
      tps: 60,
      deployment: { pauseFactors: [1, 1.6, 0.7, 1] },
    });
    const plan = { warmupMs: 0, drainMs: 0, stallMs: 60_000 };
    const { failures, isDrained } = await runDeployment(settings, plan);
    expect(isDrained).toBe(false);
    expect(failures).toEqual([]);
  },
);
