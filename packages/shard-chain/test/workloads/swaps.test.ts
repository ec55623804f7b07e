import { createPrng } from "@fmlab/sim";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addressOf } from "../../src/ledger/address.ts";
import { EvmRunner } from "../../src/ledger/evm-runner.ts";
import { executeTransaction } from "../../src/ledger/execution.ts";
import { genesisStates } from "../../src/ledger/genesis.ts";
import { type LedgerState, type StateDraft, storageIn } from "../../src/ledger/state.ts";
import { codeKey, storageKey } from "../../src/ledger/state-value.ts";
import { assemble } from "../../src/workloads/evm-assembler.ts";
import {
  balanceSlot,
  encodeSwap,
  quoteSwap,
  RESERVE_SLOTS,
  reservesAfter,
  type SwapDirection,
} from "../../src/workloads/exchange.ts";
import { exchangeAddress, swaps } from "../../src/workloads/swaps.ts";

let runner: EvmRunner;
beforeAll(async () => {
  runner = await EvmRunner.create();
});
afterAll(() => runner.close());

const exchange = exchangeAddress(0);
const workload = swaps(
  {
    transactions: 40,
    traders: 3,
    exchanges: 1,
    reserve: 10n ** 9n,
    largestTradeShare: 0.05,
    slippagePercent: 0,
  },
  3,
);
const [genesis] = genesisStates(workload.genesis(), { shardCount: 1, shardOf: () => 0 });
const trader = addressOf("trader 0");

/** Reserves, and what a trader holds of both tokens. */
function books(state: LedgerState | StateDraft) {
  const read = (slot: bigint) => storageIn(state, exchange, slot);
  return {
    a: read(RESERVE_SLOTS.a),
    b: read(RESERVE_SLOTS.b),
    holds: [read(balanceSlot(trader, 0)), read(balanceSlot(trader, 1))] as const,
  };
}

function swap(draft: StateDraft, direction: number, amountIn: bigint, minOut = 0n) {
  const data = encodeSwap(direction as SwapDirection, amountIn, minOut);
  return runner.call(draft, { contract: exchange, caller: trader, data, slots: [] });
}

describe("the assembler", () => {
  it("gives the bytes of the yellow paper", () => {
    const code = assemble("PUSH 5 PUSH 0x0100 ADD ; sum\n PUSH @end JUMP end: STOP");
    expect(Buffer.from(code).toString("hex")).toBe("6005610100016100" + "0a565b00");
    expect(() => assemble("FROB")).toThrow(/FROB is no opcode/);
    expect(() => assemble("PUSH @nowhere")).toThrow(/nowhere is no label/);
    expect(() => assemble("PUSH x")).toThrow(/no number/);
  });
});

describe("the exchange on the EVM", () => {
  it("trades by the reference's maths, in both directions, over many random trades", () => {
    const draft = (genesis as LedgerState).draft();
    const prng = createPrng(9);
    for (let i = 0; i < 60; i++) {
      const direction = prng.nextInt(2) as SwapDirection;
      const amountIn = BigInt(1 + prng.nextInt(prng.pick([10, 1000, 40_000_000])));
      const before = books(draft);
      const out = quoteSwap(before, direction, amountIn);
      const failure = swap(draft, direction, amountIn, out);
      const after = books(draft);
      if (out === 0n) {
        expect(failure).toBe("contractReverted");
        expect(after).toEqual(before);
        continue;
      }
      expect(failure).toBe(undefined);
      expect({ a: after.a, b: after.b }).toEqual(reservesAfter(before, direction, amountIn));
      const gain = after.holds.map((amount, token) => amount - (before.holds[token] as bigint));
      expect(gain).toEqual(direction === 0 ? [-amountIn, out] : [out, -amountIn]);
    }
  });

  it("reverts, without a trace, whatever it must not do", () => {
    const draft = (genesis as LedgerState).draft();
    const out = quoteSwap(books(draft), 0, 1000n);
    const bad: [number, bigint, bigint][] = [
      [2, 1000n, 0n],
      [0, 0n, 0n],
      [0, 2n ** 112n, 0n],
      [0, 10n ** 9n + 1n, 0n],
      [0, 1n, 0n],
      [0, 1000n, out + 1n],
    ];
    for (const args of bad) expect(swap(draft, ...args)).toBe("contractReverted");
    expect(draft.commit().root).toBe(genesis?.root);
  });

  it("lets a front-runner gain at the victim's cost", () => {
    const victimTrade = 50_000_000n;
    const alone = quoteSwap(books(genesis as LedgerState), 0, victimTrade);
    const draft = (genesis as LedgerState).draft();
    const paid = 30_000_000n;
    const { holds: before } = books(draft);
    swap(draft, 0, paid);
    const victim = addressOf("trader 1");
    const fair = quoteSwap(books(draft), 0, victimTrade);
    const data = encodeSwap(0, victimTrade, 0n);
    expect(runner.call(draft, { contract: exchange, caller: victim, data, slots: [] })).toBe(
      undefined,
    );
    swap(draft, 1, books(draft).holds[1] - before[1]);
    expect(fair).toBeLessThan(alone);
    expect(books(draft).holds[0]).toBeGreaterThan(before[0]);
  });

  it("runs the workload without a revert in the order of arrival, and with some in another", () => {
    const inOrder = (genesis as LedgerState).draft();
    const context = { contracts: runner };
    const all = [...workload.transactions()];
    for (const transaction of all) {
      expect(executeTransaction(inOrder, transaction, context).status).toBe("done");
    }
    const shuffled = (genesis as LedgerState).draft();
    const reversed = all.map((transaction) => transaction.steps).reverse();
    const statuses = all.map(
      (transaction, i) =>
        executeTransaction(shuffled, { ...transaction, steps: reversed[i] ?? [] }, context).reason,
    );
    expect(statuses).toContain("contractReverted");
  });
});

describe("the contract runner", () => {
  const run = (source: string, ...rawBytes: number[]) => {
    const draft = (genesis as LedgerState).draft();
    const contract = addressOf("contract under test");
    draft.set(codeKey(contract), {
      kind: "bytes",
      bytes: Uint8Array.of(...assemble(source), ...rawBytes),
    });
    const failure = runner.call(draft, {
      contract,
      caller: trader,
      data: new Uint8Array(),
      slots: [],
    });
    return { failure, word: storageIn(draft, contract, 1n), draft, contract };
  };

  it("tells calls of nothing, reverts and gas that runs out apart", () => {
    const draft = (genesis as LedgerState).draft();
    const call = { contract: trader, caller: trader, data: new Uint8Array(), slots: [] };
    expect(runner.call(draft, call)).toBe("noContract");
    expect(run("PUSH 0 PUSH 0 REVERT").failure).toBe("contractReverted");
    expect(run("again: PUSH @again JUMP").failure).toBe("outOfGas");
    const callOfAnother = "PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0x123456 PUSH 9000";
    expect(run(callOfAnother, 0xf1).failure).toBe("unsupported");
  });

  it("refuses calls once closed", async () => {
    const closed = await EvmRunner.create();
    await closed.close();
    const draft = (genesis as LedgerState).draft();
    const call = { contract: exchange, caller: trader, data: encodeSwap(0, 1n, 0n), slots: [] };
    expect(() => closed.call(draft, call)).toThrow(
      expect.objectContaining({ code: "CONTRACT_RUNNER_FAILED" }),
    );
  });

  it("writes what the code stored, and takes zeros out of the state", () => {
    expect(run("PUSH 7 PUSH 1 SSTORE")).toMatchObject({ failure: undefined, word: 7n });
    const zero = run("PUSH 7 PUSH 1 SSTORE PUSH 0 PUSH 1 SSTORE PUSH 1 SLOAD PUSH 2 SSTORE");
    const slots = [1n, 2n].map((slot) => zero.draft.get(storageKey(zero.contract, slot)));
    expect(slots).toEqual([undefined, undefined]);
  });
});
