import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { addressOf } from "../../src/ledger/address.ts";
import {
  lockOn,
  lockOrWait,
  lockWaits,
  tryLock,
  unlock,
  wishesFor,
} from "../../src/ledger/locks.ts";
import { LedgerState } from "../../src/ledger/state.ts";

const a = addressOf("a");
const b = addressOf("b");
const txIdOf = (n: number) => n.toString(16).padStart(64, "0");
const [one, two, three] = [1, 2, 3].map(txIdOf) as [string, string, string];

describe("locks", () => {
  it("are taken all or none", () => {
    const draft = new LedgerState().draft();
    expect(tryLock(draft, one, [{ address: b, mode: "write" }])).toEqual([]);
    const both = [a, b].map((address) => ({ address, mode: "write" }) as const);
    expect(tryLock(draft, two, both)).toEqual([b]);
    expect(lockOn(draft, a)).toBe(undefined);
    unlock(draft, one, [b]);
    expect(tryLock(draft, two, both)).toEqual([]);
  });

  it("let readers share under the read-write discipline only", () => {
    const access = { reads: [a], writes: [b] };
    expect(wishesFor(access, "write").map(({ mode }) => mode)).toEqual(["write", "write"]);
    const draft = new LedgerState().draft();
    const reads = wishesFor({ reads: [a], writes: [] }, "readWrite");
    expect(tryLock(draft, one, reads)).toEqual([]);
    expect(tryLock(draft, two, reads)).toEqual([]);
    expect(tryLock(draft, three, [{ address: a, mode: "write" }])).toEqual([a]);
  });

  it("pass on in the order of arrival, several readers at once", () => {
    const draft = new LedgerState().draft();
    expect(lockOrWait(draft, one, { address: a, mode: "write" })).toBe(true);
    expect(lockOrWait(draft, two, { address: a, mode: "read" })).toBe(false);
    expect(lockOrWait(draft, three, { address: a, mode: "read" })).toBe(false);
    expect(lockOrWait(draft, txIdOf(4), { address: a, mode: "write" })).toBe(false);
    expect(unlock(draft, one, [a])).toEqual([
      { address: a, txId: two, mode: "read" },
      { address: a, txId: three, mode: "read" },
    ]);
    expect(unlock(draft, two, [a])).toEqual([]);
    expect(unlock(draft, three, [a])).toEqual([{ address: a, txId: txIdOf(4), mode: "write" }]);
    expect(unlock(draft, txIdOf(4), [a])).toEqual([]);
    expect(draft.commit().root).toBe(new LedgerState().root);
  });

  it("tell who waits for whom", () => {
    const draft = new LedgerState().draft();
    for (const txId of [one, two, three]) lockOrWait(draft, txId, { address: a, mode: "write" });
    lockOrWait(draft, two, { address: b, mode: "write" });
    expect(lockWaits(draft.commit())).toEqual([
      { waiter: two, holder: one, address: a },
      { waiter: three, holder: one, address: a },
    ]);
  });

  it("do not let a reader jump the line before a waiting writer", () => {
    const draft = new LedgerState().draft();
    lockOrWait(draft, one, { address: a, mode: "read" });
    expect(lockOrWait(draft, two, { address: a, mode: "write" })).toBe(false);
    expect(lockOrWait(draft, three, { address: a, mode: "read" })).toBe(false);
    expect(tryLock(draft, three, [{ address: a, mode: "read" }])).toEqual([a]);
  });

  it("never exclude wrongly, starve or leave anything over many random histories", () => {
    for (let seed = 0; seed < 20; seed++) {
      const prng = createPrng(seed);
      const draft = new LedgerState().draft();
      const places = ["x", "y", "z"].map(addressOf);
      const asked = new Map<string, Set<(typeof places)[number]>>();
      for (let step = 0; step < 80; step++) {
        const txId = txIdOf(prng.nextInt(8));
        const address = prng.pick(places);
        if (prng.chance(0.6)) {
          const mode = prng.chance(0.5) ? "read" : "write";
          lockOrWait(draft, txId, { address, mode });
          asked.set(txId, (asked.get(txId) ?? new Set()).add(address));
        } else {
          unlock(draft, txId, asked.get(txId) ?? []);
          asked.delete(txId);
        }
        for (const place of places) {
          const entry = lockOn(draft, place);
          if (entry === undefined) continue;
          const writers = entry.holders.filter(({ mode }) => mode === "write").length;
          const count = entry.holders.length;
          const distinct = new Set(entry.holders.map(({ txId: id }) => id)).size;
          const isSound = count > 0 && distinct === count && (writers === 0 || count === 1);
          expect(isSound, JSON.stringify(entry.holders)).toBe(true);
        }
      }
      for (const [txId, addresses] of asked) unlock(draft, txId, addresses);
      expect(draft.commit().root).toBe(new LedgerState().root);
    }
  });
});
