import { createPrng, type Prng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { type Address, addressOf } from "../../src/ledger/address.ts";
import { makeTransaction, transfer } from "../../src/ledger/make-transaction.ts";
import type { Step, Transaction } from "../../src/ledger/transaction.ts";
import { modulo } from "../../src/placement/modulo.ts";
import { planOf } from "../../src/protocol/haechi-plan.ts";
import { type AccountValue, evaluate } from "../../src/protocol/remote-values.ts";
import { addressesOn } from "../../src/workloads/victims.ts";

const SHARDS = 3;
const PLACEMENT = modulo(SHARDS);
const ACCOUNTS = Array.from({ length: SHARDS }, (_, shard) =>
  addressesOn(PLACEMENT, shard, "account", 2),
).flat();

describe("who needs whose values", () => {
  it("is enough to come to the right outcome, whatever the others hold", () => {
    let [commits, aborts] = [0, 0];
    for (let seed = 0; seed < 1_500; seed++) {
      const prng = createPrng(seed, "plan");
      const transaction = drawTransaction(prng);
      const values = drawValues(prng);
      const truth = evaluate(transaction, values);
      if (truth.reason === undefined) commits++;
      else aborts++;
      for (const { shard, needs, takes } of planOf(transaction, PLACEMENT).parts) {
        const isKnown = ([address]: AccountValue) =>
          [shard, ...needs].includes(PLACEMENT.shardOf(address));
        const wrong = new Map(drawValues(prng).map((value) => [value[0], value]));
        const others = values.map((value) =>
          isKnown(value) ? value : (wrong.get(value[0]) as AccountValue),
        );
        // Others may also be missing altogether.
        const seen = prng.chance(0.5) ? others : values.filter(isKnown);
        const found = evaluate(transaction, seen);
        expect(found.reason, `seed ${seed}`).toBe(truth.reason);
        if (truth.reason !== undefined) continue;
        const here = ([address]: AccountValue) => PLACEMENT.shardOf(address) === shard;
        expect(found.values.filter(here), `seed ${seed}`).toEqual(truth.values.filter(here));
        expectTaken(values, truth.values.filter(here), new Map(takes));
      }
    }
    expect(Math.min(commits, aborts)).toBeGreaterThan(150);
  });

  it("is nobody for the payer of a transfer, and the payer for the payee", () => {
    const [payer, payee] = [ACCOUNTS[0], ACCOUNTS[2]] as [Address, Address];
    const paid = transfer({ sender: payer, nonce: 0, fee: 1n }, payee, 5n);
    const { parts } = planOf(paid, PLACEMENT);
    expect(parts).toMatchObject([
      { shard: 0, needs: [], tells: [1], takes: [[payer, 5n]] },
      { shard: 1, needs: [0], tells: [], takes: [] },
    ]);
  });

  it("is everybody where everybody may lack the money", () => {
    const [one, other] = [ACCOUNTS[0], ACCOUNTS[2]] as [Address, Address];
    const { parts } = planOf(
      transactionOf([
        { op: "debit", address: one, amount: 5n },
        { op: "debit", address: other, amount: 5n },
        { op: "deposit", address: one },
      ]),
      PLACEMENT,
    );
    expect(parts).toMatchObject([
      { shard: 0, needs: [1], tells: [1] },
      { shard: 1, needs: [0], tells: [0] },
    ]);
  });

  it("ends where the purse is emptied", () => {
    const [one, other, last] = [ACCOUNTS[0], ACCOUNTS[2], ACCOUNTS[4]] as [
      Address,
      Address,
      Address,
    ];
    const { parts } = planOf(
      transactionOf([
        { op: "sweep", address: one },
        { op: "deposit", address: other },
        { op: "deposit", address: last },
      ]),
      PLACEMENT,
    );
    expect(parts).toMatchObject([{ needs: [] }, { needs: [0] }, { needs: [] }]);
  });

  it("is refused where a contract's storage would have to travel", () => {
    const call: Step = {
      op: "call",
      address: ACCOUNTS[0] as Address,
      data: new Uint8Array(),
      slots: [],
    };
    expect(planOf(transactionOf([call]), PLACEMENT).refusal).toBeUndefined();
    const more: Step = { op: "mix", address: ACCOUNTS[2] as Address };
    expect(planOf(transactionOf([call, more]), PLACEMENT).refusal).toBe("unsupported");
  });
});

/** Nothing loses more than the plan says; null stands for all there is. */
function expectTaken(
  before: readonly AccountValue[],
  after: readonly AccountValue[],
  takes: ReadonlyMap<Address, bigint | null>,
): void {
  for (const [address, balance] of after) {
    const was = before.find(([other]) => other === address)?.[1] ?? 0n;
    const most = takes.has(address) ? (takes.get(address) ?? was) : 0n;
    expect(was - balance <= most).toBe(true);
  }
}

function transactionOf(steps: readonly Step[]): Transaction {
  const sender = addressOf("sender of plans");
  return makeTransaction({ kind: "call", sender, nonce: 0, fee: 1n, steps, paddingBytes: 0 });
}

function drawTransaction(prng: Prng): Transaction {
  const steps = Array.from({ length: 1 + prng.nextInt(6) }, () => drawStep(prng));
  // Most end well: what is left goes somewhere.
  if (prng.chance(0.7)) steps.push({ op: "deposit", address: prng.pick(ACCOUNTS) });
  return transactionOf(steps);
}

function drawStep(prng: Prng): Step {
  const address = prng.pick(ACCOUNTS);
  const amount = BigInt(prng.nextInt(8));
  const op = prng.pick(["observe", "debit", "credit", "sweep", "deposit", "check", "mix"] as const);
  if (op === "debit" || op === "credit") return { op, address, amount };
  return op === "check" ? { op, address, amount, penalty: 1n } : { op, address };
}

function drawValues(prng: Prng): AccountValue[] {
  return ACCOUNTS.map((address) => [
    address,
    BigInt(prng.nextInt(12)),
    BigInt(prng.nextInt(1_000)),
  ]);
}
