import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { type Address, addressOf } from "../../src/ledger/address.ts";
import { Heap } from "../../src/ledger/heap.ts";
import { transfer } from "../../src/ledger/make-transaction.ts";
import { Mempool } from "../../src/ledger/mempool.ts";
import type { Transaction } from "../../src/ledger/transaction.ts";

const target = addressOf("target");
const from = (name: string, nonce: number, fee: number, amount = 1n) =>
  transfer({ sender: addressOf(name), nonce, fee: BigInt(fee) }, target, amount);
const feesOf = (transactions: Transaction[]) => transactions.map(({ fee }) => Number(fee));

describe("the heap", () => {
  it("gives what it keeps in order, over many random lists", () => {
    for (let seed = 0; seed < 50; seed++) {
      const prng = createPrng(seed);
      const heap = new Heap<number>((one, other) => one < other);
      const numbers = Array.from({ length: prng.nextInt(40) }, () => prng.nextInt(30));
      for (const number of numbers) heap.push(number);
      heap.retain((number) => number % 3 > 0);
      const kept = numbers.filter((number) => number % 3 > 0).sort((a, b) => a - b);
      expect(heap.size).toBe(kept.length);
      expect(kept.map(() => heap.pop())).toEqual(kept);
      expect(heap.pop()).toBe(undefined);
    }
  });
});

describe("the mempool", () => {
  it("stays right while thousands of transactions pass through", () => {
    const pool = new Mempool({ capacity: 8 });
    for (let nonce = 0; nonce < 3000; nonce++) {
      const transaction = from("a", nonce, 1 + (nonce % 7));
      expect(pool.add(transaction, nonce).ok).toBe(true);
      expect(pool.select({ countMax: 2 })).toEqual([transaction]);
      pool.advance(transaction.sender, nonce + 1);
    }
    expect(pool.size).toBe(0);
  });

  it("orders by fee, but each sender's by nonce", () => {
    const pool = new Mempool({ capacity: 10 });
    const offered = [from("a", 1, 90), from("a", 0, 5), from("b", 0, 20), from("c", 0, 20, 2n)];
    for (const transaction of offered) expect(pool.add(transaction, 0).ok).toBe(true);
    expect(pool.select({ countMax: 10 })).toEqual([offered[2], offered[3], offered[1], offered[0]]);
    expect(feesOf(pool.select({ countMax: 3 }))).toEqual([20, 20, 5]);
    expect(pool.size).toBe(4);
  });

  it("holds back what comes after a gap until the gap is filled", () => {
    const pool = new Mempool({ capacity: 10 });
    pool.add(from("a", 2, 9), 0);
    expect(pool.select({ countMax: 9 })).toEqual([]);
    pool.advance(addressOf("a"), 2);
    expect(feesOf(pool.select({ countMax: 9 }))).toEqual([9]);
    pool.advance(addressOf("a"), 3);
    expect(pool.size).toBe(0);
  });

  it("says why it refuses", () => {
    const pool = new Mempool({ capacity: 2, perSenderMax: 3 });
    const first = from("a", 1, 100);
    pool.add(first, 0);
    expect(pool.add(first, 0)).toEqual({ ok: false, reason: "known" });
    expect(pool.add(from("b", 0, 1), 1)).toEqual({ ok: false, reason: "nonceTooLow" });
    expect(pool.add(from("b", 3, 1), 0)).toEqual({ ok: false, reason: "nonceTooFar" });
    expect(pool.add(from("a", 1, 109, 2n), 0)).toEqual({ ok: false, reason: "underpriced" });
    expect(pool.add(from("a", 1, 110, 2n), 0)).toEqual({ ok: true, removed: [first] });
    pool.add(from("b", 0, 100), 0);
    expect(pool.add(from("c", 0, 100), 0)).toEqual({ ok: false, reason: "full" });
  });

  it("drops the worst last transaction of a sender for a better one when full", () => {
    const pool = new Mempool({ capacity: 3 });
    const cheap = from("a", 1, 1);
    for (const transaction of [from("a", 0, 50), cheap, from("b", 0, 10)]) pool.add(transaction, 0);
    expect(pool.add(from("a", 2, 60), 0)).toEqual({ ok: false, reason: "full" });
    expect(pool.add(from("c", 0, 20), 0)).toEqual({ ok: true, removed: [cheap] });
    expect(feesOf(pool.select({ countMax: 9 }))).toEqual([50, 20, 10]);
  });

  it("passes over what a proposed block holds, and not over what follows it", () => {
    const pool = new Mempool({ capacity: 9 });
    const [first, second, other] = [from("a", 0, 9), from("a", 1, 8), from("b", 0, 1)];
    for (const transaction of [first, second, other]) pool.add(transaction, 0);
    const isPending = (id: string) => id === first.id;
    expect(pool.select({ countMax: 2, isPending })).toEqual([second, other]);
    expect(pool.select({ countMax: 1, bytesMax: second.sizeBytes, isPending })).toEqual([second]);
    expect(pool.select({ countMax: 3 })).toEqual([first, second, other]);
  });

  it("ends a selection at the first transaction that does not fit", () => {
    const pool = new Mempool({ capacity: 9 });
    for (const name of ["a", "b", "c"]) pool.add(from(name, 0, 1), 0);
    const { sizeBytes } = from("a", 0, 1);
    expect(pool.select({ countMax: 9, bytesMax: 2 * sizeBytes })).toHaveLength(2);
    expect(pool.select({ countMax: 9, bytesMax: sizeBytes - 1 })).toHaveLength(0);
  });

  it("selects like the plain definition over many random histories", () => {
    for (let seed = 0; seed < 15; seed++) {
      const prng = createPrng(seed);
      const pool = new Mempool({ capacity: 12, perSenderMax: 6 });
      const nonces = new Map<Address, number>();
      let held: Transaction[] = [];
      const arrivals = new Map<string, number>();
      for (let step = 0; step < 120; step++) {
        const name = `s${prng.nextInt(4)}`;
        const sender = addressOf(name);
        const next = nonces.get(sender) ?? 0;
        if (prng.chance(0.8)) {
          const offered = from(
            name,
            next + prng.nextInt(6),
            1 + prng.nextInt(30),
            BigInt(step + 1),
          );
          const answer = pool.add(offered, next);
          if (answer.ok) {
            arrivals.set(offered.id, step);
            held = [...held.filter((one) => !answer.removed.includes(one)), offered];
          }
        } else {
          for (const taken of pool.select({ countMax: 2 })) {
            nonces.set(taken.sender, taken.nonce + 1);
            pool.advance(taken.sender, taken.nonce + 1);
            held = held.filter((one) => one !== taken);
          }
        }
        expect(pool.size).toBe(held.length);
        expect(pool.size).toBeLessThanOrEqual(12);
        expect(pool.select({ countMax: 5 })).toEqual(naiveSelect(held, nonces, arrivals, 5));
      }
    }
  });
});

/** Again and again the best of all that are next in their sender's line. */
function naiveSelect(
  held: readonly Transaction[],
  nonces: ReadonlyMap<Address, number>,
  arrivals: ReadonlyMap<string, number>,
  countMax: number,
): Transaction[] {
  const now = new Map(nonces);
  const chosen: Transaction[] = [];
  for (let i = 0; i < countMax; i++) {
    const next = held.filter(({ sender, nonce }) => nonce === (now.get(sender) ?? 0));
    const [best] = next.sort(
      (one, other) =>
        Number(other.fee - one.fee) || (arrivals.get(one.id) ?? 0) - (arrivals.get(other.id) ?? 0),
    );
    if (best === undefined) break;
    chosen.push(best);
    now.set(best.sender, best.nonce + 1);
  }
  return chosen;
}
