import { createPrng, type Prng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { addressOf } from "../../src/ledger/address.ts";
import { transfer } from "../../src/ledger/make-transaction.ts";
import type { CrossMessage } from "../../src/protocol/cross-message.ts";
import type { Data } from "../../src/protocol/data.ts";
import { makeNote } from "../../src/protocol/note.ts";
import { certify, makeBatch, makeOutbox } from "../../src/runtime/batch.ts";
import { type BlockContent, makePayload } from "../../src/runtime/block-content.ts";
import { CROSS_CODEC } from "../../src/runtime/cross-codec.ts";
import type { CrossWireMessage } from "../../src/runtime/cross-wire.ts";
import { SHARD_PAYLOADS } from "../../src/runtime/payload-codec.ts";

const paid = transfer({ sender: addressOf("a"), nonce: 3, fee: 7n }, addressOf("b"), 10n ** 20n);
const data: Data = { hop: 2, carry: { purse: 5n, word: 2n ** 64n - 1n }, list: [null, true, "ß"] };
const messages: CrossMessage[] = [
  { kind: "execute", transaction: paid, data },
  { kind: "commit", txId: paid.id },
  { kind: "link", data: -1.5 },
];
const outbox = makeOutbox(2, 9, [
  makeBatch({ from: 2, to: 0, sequence: 4 }, messages),
  makeBatch({ from: 2, to: 1, sequence: 1 }, []),
]);
const signature = new Uint8Array(64).fill(3);
const attestations = [{ validator: 1, signature }];
const certificate = { chain: 2, height: 9, root: outbox.root, attestations };
const certified = certify(outbox, 0, certificate);
const note = makeNote({ kind: "result", transactions: [paid], data }, [{ node: 5, signature }]);

describe("messages between chains as bytes", () => {
  const all: CrossWireMessage[] = [
    { type: "batch", certified },
    { type: "attest", height: 9, root: outbox.root, validator: 1, signature },
    { type: "want", chain: 1, sequence: 300 },
    { type: "heads", chain: 1, sent: 12, taken: 0 },
  ];

  it.each(all.map((message) => [message.type, message] as const))("%s", (_, message) => {
    expect(CROSS_CODEC.decode(CROSS_CODEC.encode(message))).toEqual(message);
  });

  it("never throw when they are damaged", () => {
    const prng = createPrng(1, "damage");
    for (const message of all) {
      const bytes = CROSS_CODEC.encode(message);
      const decoded = Array.from({ length: 300 }, () => CROSS_CODEC.decode(damaged(prng, bytes)));
      expect(decoded.filter((one) => one === undefined).length).toBeGreaterThan(200);
    }
  });
});

describe("contents of blocks as bytes", () => {
  const payload = makePayload({
    executedHeight: 8,
    stateRoot: "ab".repeat(32),
    inbox: [certified],
    notes: [note],
    transactions: [paid],
  });
  const bytes = SHARD_PAYLOADS.encode(payload);

  it("come back with the same digest", () => {
    expect(SHARD_PAYLOADS.decode(bytes)).toEqual(payload);
  });

  it("never throw when they are damaged, and keep the digest with the same messages only", () => {
    const prng = createPrng(2, "damage");
    let kept = 0;
    for (let i = 0; i < 500; i++) {
      const decoded = SHARD_PAYLOADS.decode(damaged(prng, bytes));
      if (decoded?.digest !== payload.digest) continue;
      kept++;
      const { inbox, transactions } = decoded.content as BlockContent;
      expect(transactions).toEqual([paid]);
      // Signatures and proofs are not under the digest: validators check those by themselves.
      expect(inbox.map(({ batch }) => batch)).toEqual([certified.batch]);
    }
    expect(kept).toBeLessThan(100);
  });
});

function damaged(prng: Prng, bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes.subarray(0, 1 + prng.nextInt(bytes.length)));
  for (let i = 0; i < 2; i++) copy[prng.nextInt(copy.length)] = prng.nextInt(256);
  return copy;
}
