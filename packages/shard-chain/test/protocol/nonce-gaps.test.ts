import { expect, it } from "vitest";
import type { Address } from "../../src/ledger/address.ts";
import { transfer } from "../../src/ledger/make-transaction.ts";
import { modulo } from "../../src/placement/modulo.ts";
import { PROTOCOL_NAMES } from "../../src/protocol/names.ts";
import { runDeployment } from "../../src/runtime/run-deployment.ts";
import { addressesOn } from "../../src/workloads/victims.ts";
import { SMALL_PLAN, smallDeployment } from "../runtime/small-deployment.ts";

/** Found by random deployments: what waited for a nonce that never came waited for ever. */
it.each(PROTOCOL_NAMES)("%s ends what follows a fee that cannot be paid", async (protocol) => {
  const [poor] = addressesOn(modulo(2), 0, "poor", 1) as [Address];
  const [rich] = addressesOn(modulo(2), 0, "rich", 1) as [Address];
  const [payee] = addressesOn(modulo(2), 1, "payee", 1) as [Address];
  const pay = (sender: Address, nonce: number, fee: bigint) =>
    transfer({ sender, nonce, fee }, payee, 1n);
  const workload = {
    name: "a gap",
    remarks: [],
    genesis: () => [
      { address: poor, balance: 20n },
      { address: rich, balance: 100n },
    ],
    // The fee of the second is more than the poor sender has; its successors have no turn.
    transactions: () => [
      pay(poor, 0, 5n),
      pay(poor, 1, 500n),
      pay(poor, 2, 5n),
      pay(poor, 3, 5n),
      pay(rich, 0, 5n),
    ],
  };
  const settings = smallDeployment({
    protocol,
    shards: 2,
    workload,
    tps: 1,
    protocolSettings: { brokers: [payee] },
  });
  const { failures, isDrained, deployment } = await runDeployment(settings, SMALL_PLAN);
  expect(failures).toEqual([]);
  expect(isDrained).toBe(true);
  const { committed, failureRatio } = deployment.recorder.meter.summarise({
    fromMs: 0,
    toMs: 1e9,
  });
  expect(committed).toBe(2);
  expect(failureRatio).toBeCloseTo(3 / 5);
});
