import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import type { Address } from "../../src/ledger/address.ts";
import { executeTransaction } from "../../src/ledger/execution.ts";
import { hopsOf, shardsOf } from "../../src/ledger/hops.ts";
import {
  accountIn,
  genesisState,
  type LedgerState,
  type StateView,
} from "../../src/ledger/state.ts";
import type { Transaction } from "../../src/ledger/transaction.ts";
import { modulo } from "../../src/placement/modulo.ts";
import type { Claim } from "../../src/protocol/prophet-data.ts";
import { falseResult, falseSnapshot } from "../../src/protocol/prophet-lies.ts";
import { type Base, Prediction } from "../../src/protocol/prophet-prediction.ts";
import { Scratch, type Verified, verifyClaim } from "../../src/protocol/prophet-preview.ts";
import { generatedWorkload } from "../../src/workloads/generated-workload.ts";
import { fittedOptions } from "../../src/workloads/generator-options.ts";
import { smallBank } from "../../src/workloads/smallbank.ts";
import type { Workload } from "../../src/workloads/workload.ts";
import { ycsb } from "../../src/workloads/ycsb.ts";

const SHARDS = 3;
const placement = modulo(SHARDS);

/** Workloads whose transactions take several shards in turn, and some of which fail. */
const WORKLOADS: readonly [string, (seed: number) => Workload][] = [
  [
    "calls of several contracts, with payers short of money",
    (seed) =>
      generatedWorkload(
        {
          ...fittedOptions(80),
          tailAccounts: 20,
          accountsPerCall: [1, 1, 1],
          underfundedShare: 0.4,
        },
        seed,
      ),
  ],
  ["SmallBank", (seed) => smallBank({ transactions: 80, customers: 12, zipfExponent: 0.8 }, seed)],
  [
    "YCSB on few records",
    (seed) =>
      ycsb(
        {
          transactions: 60,
          records: 6,
          clients: 6,
          recordsPerTransaction: 3,
          writeShare: 0.6,
          zipfExponent: 0.7,
        },
        seed,
      ),
  ],
];

describe.each(WORKLOADS)("on a state that stands still, with %s,", (_, create) => {
  it.each([1, 2, 3, 4])("shards find what the coalition predicted (seed %i)", (seed) => {
    const { state, transactions } = freeze(create(seed));
    const claims = predict(state, transactions);
    const shards = Array.from({ length: SHARDS }, () => new Scratch(state));
    const alone = state.draft();
    for (const [i, transaction] of transactions.entries()) {
      const claim = claims[i] as Claim;
      const receipt = executeTransaction(alone, transaction);
      const found = verifyEverywhere(shards, transaction, claim);
      const refused = found.flatMap((one) => (one.isRight ? [] : [one.reason]));
      // One ledger says the same: done, or failed for the very reason.
      if (receipt.status === "done") expect(refused).toEqual([]);
      else expect(refused).toEqual([receipt.reason]);
      expect(claim.failsAt >= 0).toBe(receipt.status !== "done");
    }
    for (const { steps } of transactions) {
      for (const { address } of steps) {
        const own = accountIn(shards[placement.shardOf(address)] as Scratch, address);
        const { balance, word } = accountIn(alone, address);
        expect([own.balance, own.word]).toEqual([balance, word]);
      }
    }
  });
});

describe("a claim that is not what the state gives", () => {
  const { state, transactions } = freeze((WORKLOADS[0] as (typeof WORKLOADS)[number])[1](9));
  const [cross] = transactions.filter((one) => {
    const isRead = one.steps.some(({ op }) => op === "mix");
    return isRead && shardsOf(one, placement).length > 1;
  }) as [Transaction];
  const [honest] = predict(state, [cross]) as [Claim];

  it("is refused where its first steps run, and convicts, when the result is invented", () => {
    const found = verifyEverywhere(fresh(state), cross, falseResult(honest));
    expect(found).toContainEqual({ isRight: false, reason: "staleRead", proof: "result" });
  });

  it("is refused, and convicts, when the snapshot is invented", () => {
    const [claim] = new Prediction().predict(
      [{ transaction: cross, attempt: 0 }],
      based(falseSnapshot(state)),
      placement,
    ) as [Claim];
    const found = verifyEverywhere(fresh(state), cross, claim);
    expect(found).toContainEqual({ isRight: false, reason: "staleRead", proof: "snapshot" });
  });

  it("is refused but convicts nobody when the account has changed since", () => {
    const [claim] = new Prediction().predict(
      [{ transaction: cross, attempt: 0 }],
      based(falseSnapshot(state)),
      placement,
    ) as [Claim];
    const found = verifyEverywhere(fresh(state), cross, claim, () => false);
    expect(found).toContainEqual({ isRight: false, reason: "staleRead", proof: "" });
  });

  it("is refused when it claims a failure that does not happen", () => {
    const claim = { ...honest, failsAt: honest.carries.length };
    const found = verifyEverywhere(fresh(state), cross, claim);
    expect(found.filter(({ isRight }) => !isRight)).toHaveLength(1);
  });

  it("is refused by every shard when steps are missing", () => {
    const found = verifyEverywhere(fresh(state), cross, { ...honest, carries: [] });
    expect(found.every(({ isRight }) => !isRight)).toBe(true);
  });

  it("never passes, whatever value of it is changed", () => {
    const prng = createPrng(4, "mutations");
    for (let i = 0; i < 200; i++) {
      const at = prng.nextInt(honest.carries.length);
      const field = prng.pick(["purse", "word", "seen"] as const);
      const carries = honest.carries.map((carry, j) =>
        j === at ? { ...carry, [field]: carry[field] + BigInt(1 + prng.nextInt(1_000)) } : carry,
      );
      const found = verifyEverywhere(fresh(state), cross, { ...honest, carries });
      expect(found.some(({ isRight }) => !isRight)).toBe(true);
    }
  });
});

/** Accounts as genesis gives them, and transactions that pay no fee: only steps count. */
function freeze(workload: Workload): { state: LedgerState; transactions: Transaction[] } {
  const balances = new Map<Address, bigint>();
  for (const { address, balance } of workload.genesis()) balances.set(address, balance);
  const transactions = [...workload.transactions()].map((one) => ({ ...one, fee: 0n }));
  return { state: genesisState(balances), transactions };
}

function predict(state: LedgerState, transactions: readonly Transaction[]): Claim[] {
  const batch = transactions.map((transaction) => ({ transaction, attempt: 0 }));
  return new Prediction().predict(batch, based(state), placement);
}

/** Before all rounds. */
function based(view: Pick<StateView, "get">): Base {
  return { get: (key) => view.get(key), roundOf: () => 0 };
}

const fresh = (state: LedgerState) => Array.from({ length: SHARDS }, () => new Scratch(state));

/** Every touched shard runs its part; only where all find it right is anything kept. */
function verifyEverywhere(
  shards: readonly Scratch[],
  transaction: Transaction,
  claim: Claim,
  isUnchanged: () => boolean = () => true,
): Verified[] {
  const hops = hopsOf(transaction, placement);
  const runs = shardsOf(transaction, placement).map((shard) => {
    const scratch = new Scratch(shards[shard] as Scratch);
    return { shard, scratch, found: verifyClaim(scratch, about(shard)) };
  });
  function about(shard: number) {
    return { transaction, hops, shard, claim, isUnchanged };
  }
  if (claim.failsAt < 0 && runs.every(({ found }) => found.isRight)) {
    for (const { shard, scratch } of runs) {
      for (const [key, value] of scratch.written) (shards[shard] as Scratch).set(key, value);
    }
  }
  return runs.map(({ found }) => found);
}
