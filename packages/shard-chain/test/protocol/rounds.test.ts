import { expect, it } from "vitest";
import type { Address } from "../../src/ledger/address.ts";
import { transfer } from "../../src/ledger/make-transaction.ts";
import { modulo } from "../../src/placement/modulo.ts";
import { runDeployment } from "../../src/runtime/run-deployment.ts";
import { addressesOn } from "../../src/workloads/victims.ts";
import { SMALL_PLAN, smallDeployment } from "../runtime/small-deployment.ts";

/**
 * Rounds of consensus that a lone transfer between two shards goes through, counted by hand from
 * the message flows; for AHL and ByShard those of EtherCS/protohaechi.
 */
const ROUNDS: Record<string, number> = {
  // withdraw, deposit
  relay: 2,
  // begin at the committee, source, destination, count at the committee, release
  ahl: 5,
  // source, destination, release at the source
  "byshard-linear-write": 3,
  // lock at home, lock elsewhere, count at home, release elsewhere
  "byshard-centralised-write": 4,
  // lock at home, lock elsewhere, count everywhere
  "byshard-distributed-write": 3,
  // processing, beacon, CallList at the payer's shard, the payee's
  haechi: 4,
};

it.each(Object.entries(ROUNDS))("%s confirms a transfer in %i rounds", async (protocol, rounds) => {
  const [from] = addressesOn(modulo(2), 0, "payer", 1) as [Address];
  const [to] = addressesOn(modulo(2), 1, "payee", 1) as [Address];
  const paid = transfer({ sender: from, nonce: 0, fee: 1n }, to, 10n);
  const workload = {
    name: "one transfer",
    remarks: [],
    genesis: () => [{ address: from, balance: 100n }],
    transactions: () => [paid],
  };
  const settings = smallDeployment({ protocol, shards: 2, workload });
  const { deployment, failures } = await runDeployment(settings, SMALL_PLAN);
  const { consensusRoundsMean } = deployment.recorder.meter.summarise({ fromMs: 0, toMs: 1e9 });
  expect(failures).toEqual([]);
  expect(consensusRoundsMean).toBe(rounds);
});
