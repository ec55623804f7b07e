import { describe, expect, it } from "vitest";
import { shardsOf } from "../../src/ledger/hops.ts";
import { modulo } from "../../src/placement/modulo.ts";
import { runDeployment } from "../../src/runtime/run-deployment.ts";
import { withCrossShare } from "../../src/workloads/cross-share.ts";
import { generatedWorkload } from "../../src/workloads/generated-workload.ts";
import { fittedOptions } from "../../src/workloads/generator-options.ts";
import { SMALL_PLAN, smallDeployment } from "../runtime/small-deployment.ts";

const COUNT = 1_500;
const placement = modulo(4);
const plain = (transactions: number) => generatedWorkload(fittedOptions(transactions), 3);
const shared = (share: number, transactions = COUNT) =>
  withCrossShare(plain(transactions), { placement, share, seed: 3 });

/** Share of the transactions over several shards. */
function crossShareOf(workload: ReturnType<typeof shared>): number {
  const all = [...workload.transactions()];
  return all.filter((one) => shardsOf(one, placement).length > 1).length / all.length;
}

describe("a workload with a given cross-shard share", () => {
  it.each([0, 0.25, 0.8, 1])("has %d of its transactions over several shards", (share) => {
    // Four standard deviations of as many draws.
    const slack = 4 * Math.sqrt((share * (1 - share)) / COUNT);
    expect(Math.abs(crossShareOf(shared(share)) - share)).toBeLessThanOrEqual(slack);
  });

  it("keeps senders, nonces, amounts and kinds, and is the same each time", () => {
    const before = [...plain(200).transactions()];
    const after = [...shared(0.5, 200).transactions()];
    const kept = ({ sender, nonce, fee, kind, steps }: (typeof before)[number]) => {
      const amounts = steps.map((step) => ("amount" in step ? step.amount : step.op));
      return { sender, nonce, fee, kind, amounts };
    };
    expect(after.map(kept)).toEqual(before.map(kept));
    expect([...shared(0.5, 200).transactions()]).toEqual(after);
    expect([...shared(0.5, 200).genesis()]).toEqual([...plain(200).genesis()]);
  });

  it("still pays for itself: every oracle holds and nothing fails", async () => {
    const workload = shared(1, 60);
    const settings = smallDeployment({ protocol: "relay", shards: 4, workload });
    const { failures, isDrained, summary } = await runDeployment(settings, SMALL_PLAN);
    expect(failures).toEqual([]);
    expect(isDrained).toBe(true);
    expect(summary).toMatchObject({ crossShardRatio: 1, failureRatio: 0 });
  });
});
