import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { ByteWriter } from "../../src/bytes/byte-writer.ts";
import { addressOf } from "../../src/ledger/address.ts";
import { listRoot, proveItem, verifyItem } from "../../src/ledger/merkle-list.ts";
import { encodeReceipt, type Receipt, receiptsRoot } from "../../src/ledger/receipt.ts";
import { LedgerState, putRecordIn, recordIn, storageIn, storeIn } from "../../src/ledger/state.ts";
import { verifyKey } from "../../src/ledger/state-proof.ts";
import {
  accountKey,
  readStateValue,
  type StateKey,
  type StateValue,
  writeStateValue,
} from "../../src/ledger/state-value.ts";

const word = (value: number): StateValue => ({ kind: "storage", value: BigInt(value) });

describe("a draft of the state", () => {
  it("reads its own writes and undoes them to any checkpoint, over many random histories", () => {
    for (let seed = 0; seed < 20; seed++) {
      const prng = createPrng(seed);
      const keys = Array.from({ length: 8 }, (_, i) => `r${i}`);
      const base = new LedgerState().draft();
      for (const key of keys.slice(0, 4)) base.set(key, word(1));
      const state = base.commit();
      const draft = state.draft();
      let model = new Map<StateKey, StateValue>(keys.slice(0, 4).map((key) => [key, word(1)]));
      const saved: { checkpoint: number; model: Map<StateKey, StateValue> }[] = [];
      for (let step = 0; step < 60; step++) {
        const key = prng.pick(keys);
        const dice = prng.nextFloat();
        if (dice < 0.5) {
          const value = word(2 + step);
          draft.set(key, value);
          model.set(key, value);
        } else if (dice < 0.7) {
          draft.set(key, undefined);
          model.delete(key);
        } else if (dice < 0.85) {
          saved.push({ checkpoint: draft.checkpoint(), model: new Map(model) });
        } else {
          const last = saved.pop();
          if (last === undefined) continue;
          draft.revertTo(last.checkpoint);
          model = last.model;
        }
      }
      for (const key of keys) expect(draft.get(key)).toEqual(model.get(key));
      const expected = new LedgerState().draft();
      for (const [key, value] of model) expected.set(key, value);
      expect(draft.commit().root).toBe(expected.commit().root);
      expect(keys.map((key) => state.get(key))).toEqual(
        keys.map((_, i) => (i < 4 ? word(1) : undefined)),
      );
    }
  });

  it("keeps words of contracts and records of protocols, and forgets zeros and nothing", () => {
    const contract = addressOf("contract");
    const draft = new LedgerState().draft();
    storeIn(draft, contract, 2n ** 200n, 2n ** 255n);
    putRecordIn(draft, "escrow", Uint8Array.of(1, 2));
    expect(storageIn(draft, contract, 2n ** 200n)).toBe(2n ** 255n);
    expect(recordIn(draft, "escrow")).toEqual(Uint8Array.of(1, 2));
    storeIn(draft, contract, 2n ** 200n, 0n);
    putRecordIn(draft, "escrow", undefined);
    expect(draft.commit().root).toBe(new LedgerState().root);
  });
});

describe("values of the state", () => {
  const txId = "ab".repeat(32);
  const values: StateValue[] = [
    { kind: "account", nonce: 2 ** 47, balance: 2n ** 128n - 1n, word: 2n ** 64n - 1n },
    { kind: "storage", value: 2n ** 256n - 1n },
    { kind: "bytes", bytes: Uint8Array.of(0, 255) },
    {
      kind: "lock",
      address: addressOf("x"),
      holders: [{ txId, mode: "read" }],
      waiting: [{ txId, mode: "write" }],
    },
  ];

  it("come back from their bytes and out of proofs, and refuse any cut", () => {
    for (const value of values) {
      const bytes = writeAll(value);
      expect(readStateValue(bytes)).toEqual(value);
      for (let cut = 0; cut < bytes.length; cut++) {
        expect(() => readStateValue(bytes.subarray(0, cut))).toThrow(/no state value/);
      }
      const draft = new LedgerState().draft();
      draft.set("rkey", value);
      draft.set(accountKey(addressOf("other")), values[0]);
      const state = draft.commit();
      expect(verifyKey(state.root, "rkey", state.prove("rkey"))).toEqual({ found: true, value });
    }
  });

  function writeAll(value: StateValue): Uint8Array {
    const writer = new ByteWriter(8);
    writeStateValue(writer, value);
    return writer.copy();
  }
});

describe("receipts", () => {
  it("have a root that shows each of them and tells them all apart", () => {
    const txId = "cd".repeat(32);
    const receipts: Receipt[] = [
      { txId, status: "done", reason: undefined },
      { txId, status: "failed", reason: "insufficientBalance" },
      { txId, status: "refused", reason: "badNonce" },
    ];
    const items = receipts.map(encodeReceipt);
    expect(new Set(items.map((item) => Buffer.from(item).toString("hex"))).size).toBe(3);
    const root = receiptsRoot(receipts);
    expect(root).toBe(listRoot(items));
    expect(verifyItem(root, items[1] as Uint8Array, proveItem(items, 1))).toBe(true);
    expect(verifyItem(root, items[1] as Uint8Array, proveItem(items, 2))).toBe(false);
  });
});
