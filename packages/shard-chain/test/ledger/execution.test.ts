import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { type Address, addressOf, parseAddress } from "../../src/ledger/address.ts";
import { EMPTY_CARRY, executeTransaction, runSteps } from "../../src/ledger/execution.ts";
import { accessOnShard, hopsOf, shardsOf } from "../../src/ledger/hops.ts";
import {
  decodeTransaction,
  encodeTransaction,
  makeTransaction,
  transfer,
} from "../../src/ledger/make-transaction.ts";
import { genesisState, type LedgerState } from "../../src/ledger/state.ts";
import { accessSetOf, type Step, type TransactionContent } from "../../src/ledger/transaction.ts";
import { modulo } from "../../src/placement/modulo.ts";

const [a, b, c] = ["a", "b", "c"].map(addressOf) as [Address, Address, Address];
const genesis = genesisState([
  [a, 100n],
  [b, 50n],
]);

function run(state: LedgerState, steps: Step[], options: Partial<TransactionContent> = {}) {
  const draft = state.draft();
  const base = { kind: "call", sender: a, nonce: 0, fee: 1n, paddingBytes: 0 } as const;
  const receipt = executeTransaction(draft, makeTransaction({ ...base, steps, ...options }));
  const next = draft.commit();
  const balances = [a, b, c].map((address) => Number(next.account(address).balance));
  return { receipt, next, balances, outcome: receipt.reason ?? receipt.status };
}

describe("execution", () => {
  it("moves money, burns the fee and counts the nonce", () => {
    const { balances, outcome, next } = run(genesis, [
      { op: "debit", address: a, amount: 30n },
      { op: "credit", address: c, amount: 30n },
    ]);
    expect([outcome, balances, next.account(a).nonce]).toEqual(["done", [69, 50, 30], 1]);
    expect(genesis.account(a).balance).toBe(100n);
  });

  it("changes nothing when the nonce is wrong or the fee is not covered", () => {
    for (const options of [{ nonce: 1 }, { fee: 101n }]) {
      const { next, receipt } = run(genesis, [], options);
      expect(receipt.status).toBe("refused");
      expect(next.root).toBe(genesis.root);
    }
    expect(run(genesis, [], { nonce: 1 }).outcome).toBe("badNonce");
    expect(run(genesis, [], { fee: 101n }).outcome).toBe("feeNotCovered");
  });

  const failing: [string, Step[]][] = [
    ["insufficientBalance", [{ op: "debit", address: b, amount: 51n }]],
    ["emptyPurse", [{ op: "credit", address: b, amount: 1n }]],
    ["purseNotEmpty", [{ op: "debit", address: b, amount: 1n }]],
    ["noContract", [{ op: "call", address: b, data: new Uint8Array(), slots: [] }]],
    ["insufficientBalance", [{ op: "check", address: b, amount: 49n, penalty: 3n }]],
  ];
  it.each(failing)("undoes all steps and keeps nonce and fee on %s", (reason, failed) => {
    const first: Step[] = [
      { op: "debit", address: b, amount: 2n },
      { op: "credit", address: c, amount: 2n },
      { op: "mix", address: c },
    ];
    const { outcome, balances, next } = run(genesis, [...first, ...failed]);
    expect([outcome, balances]).toEqual([reason, [99, 50, 0]]);
    expect([next.account(a).nonce, next.account(c).word]).toEqual([1, 0n]);
  });

  it("refuses a balance of 2^128", () => {
    const rich = genesisState([
      [a, 2n ** 128n - 1n],
      [b, 2n],
    ]);
    const steps: Step[] = [
      { op: "debit", address: b, amount: 2n },
      { op: "credit", address: a, amount: 2n },
    ];
    expect(run(rich, steps, { fee: 0n }).outcome).toBe("balanceOverflow");
    expect(run(rich, steps, { fee: 1n }).outcome).toBe("balanceOverflow");
    expect(run(rich, steps, { fee: 2n }).outcome).toBe("done");
  });

  it("writes a check from what was seen, with the penalty when it is not covered", () => {
    const check = (amount: bigint): Step[] => [
      { op: "observe", address: b },
      { op: "check", address: a, amount, penalty: 1n },
      { op: "deposit", address: c },
    ];
    expect(run(genesis, check(99n)).balances).toEqual([0, 50, 99]);
    const poor = genesisState([
      [a, 100n],
      [b, 0n],
    ]);
    expect(run(poor, check(98n), { fee: 0n }).balances).toEqual([2, 0, 98]);
    expect(run(poor, check(101n), { fee: 0n }).outcome).toBe("insufficientBalance");
  });

  it("sweeps whole balances over", () => {
    const steps: Step[] = [
      { op: "sweep", address: a },
      { op: "sweep", address: b },
      { op: "deposit", address: c },
    ];
    expect(run(genesis, steps).balances).toEqual([0, 0, 149]);
  });

  it("gives another state for another order of conflicting stand-in calls, and the same for others", () => {
    const call = (sender: Address, target: Address) =>
      makeTransaction({
        kind: "standIn",
        sender,
        nonce: 0,
        fee: 0n,
        paddingBytes: 0,
        steps: [
          { op: "mix", address: sender },
          { op: "mix", address: target },
        ],
      });
    const rootOf = (...calls: ReturnType<typeof call>[]) => {
      const draft = genesis.draft();
      for (const one of calls) expect(executeTransaction(draft, one).status).toBe("done");
      return draft.commit().root;
    };
    const [one, other] = [call(a, c), call(b, c)];
    expect(rootOf(one, other)).not.toBe(rootOf(other, one));
    const [left, right] = [call(a, addressOf("x")), call(b, addressOf("y"))];
    expect(rootOf(left, right)).toBe(rootOf(right, left));
  });

  it("gives the same state hop by hop as in one go", () => {
    const placement = modulo(4);
    const prng = createPrng(11);
    const people = Array.from({ length: 12 }, (_, i) => addressOf(`p${i}`));
    const state = genesisState(people.map((address) => [address, 1000n]));
    for (let i = 0; i < 50; i++) {
      const steps = prng
        .shuffle(people)
        .slice(0, 6)
        .map((address): Step => ({ op: "mix", address }));
      const transaction = makeTransaction({
        kind: "standIn",
        sender: prng.pick(people),
        nonce: 0,
        fee: 0n,
        paddingBytes: 0,
        steps,
      });
      const whole = state.draft();
      executeTransaction(whole, transaction);
      const parts = state.draft();
      executeTransaction(parts, { ...transaction, steps: [] });
      let carry = EMPTY_CARRY;
      for (const hop of hopsOf(transaction, placement)) {
        const outcome = runSteps(parts, transaction, hop, carry);
        if (outcome.ok) carry = outcome.carry;
      }
      expect(parts.commit().root).toBe(whole.commit().root);
    }
  });
});

describe("a transaction", () => {
  it("knows what it touches, on every shard", () => {
    const steps: Step[] = [
      { op: "observe", address: b },
      { op: "observe", address: c },
      { op: "mix", address: c },
    ];
    const transaction = makeTransaction({
      kind: "call",
      sender: a,
      nonce: 0,
      fee: 0n,
      paddingBytes: 0,
      steps,
    });
    expect(accessSetOf(transaction)).toEqual({ reads: [b], writes: [a, c] });
    const placement = modulo(3);
    const parts = [0, 1, 2].map((shard) => accessOnShard(transaction, placement, shard));
    expect(new Set(parts.flatMap(({ reads }) => reads))).toEqual(new Set([b]));
    expect(new Set(parts.flatMap(({ writes }) => writes))).toEqual(new Set([a, c]));
    expect(new Set(shardsOf(transaction, placement))).toEqual(
      new Set([a, b, c].map((address) => placement.shardOf(address))),
    );
    expect(hopsOf(transaction, placement)[0]?.shard).toBe(placement.shardOf(a));
  });

  it("comes back from its bytes with the same id, and refuses any cut", () => {
    const steps: Step[] = [
      { op: "debit", address: a, amount: 2n ** 100n },
      { op: "check", address: b, amount: 5n, penalty: 2n },
      { op: "call", address: c, data: Uint8Array.of(1, 2, 3), slots: [0n, 2n ** 255n] },
      { op: "sweep", address: c },
    ];
    const transaction = makeTransaction({
      kind: "standIn",
      sender: a,
      nonce: 2 ** 40,
      fee: 21_000n,
      paddingBytes: 185,
      steps,
    });
    const bytes = encodeTransaction(transaction);
    expect(decodeTransaction(bytes)).toEqual(transaction);
    expect(transaction.sizeBytes).toBe(bytes.length + 185);
    for (let cut = 0; cut < bytes.length; cut++) {
      expect(() => decodeTransaction(bytes.subarray(0, cut))).toThrow(
        expect.objectContaining({ code: "BAD_BYTES" }),
      );
    }
    expect(() => decodeTransaction(Uint8Array.of(...bytes, 0))).toThrow(/too many/);
  });

  it("never reads more from mutated bytes than they hold, and never under its own id", () => {
    const prng = createPrng(5);
    const bytes = encodeTransaction(transfer({ sender: a, nonce: 3, fee: 7n }, b, 9n));
    const id = decodeTransaction(bytes).id;
    for (let i = 0; i < 400; i++) {
      const mutated = Uint8Array.from(bytes);
      const at = prng.nextInt(mutated.length);
      mutated[at] = (mutated[at] as number) ^ (1 + prng.nextInt(255));
      try {
        expect(decodeTransaction(mutated).id).not.toBe(id);
      } catch (error) {
        expect(error).toMatchObject({ code: "BAD_BYTES" });
      }
    }
  });

  it("reads addresses with capitals and refuses other texts", () => {
    const text = "0x5DF9B87991262F6BA471F09758CDE1C0FC1DE734";
    expect(parseAddress(text)).toBe(text.toLowerCase());
    for (const bad of ["", "0x", text.slice(1), `${text}0`, text.replace("5", "g")]) {
      expect(() => parseAddress(bad)).toThrow(/no address/);
    }
  });
});
