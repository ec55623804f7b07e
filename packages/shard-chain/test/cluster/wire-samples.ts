import { addressOf } from "../../src/ledger/address.ts";
import { transfer } from "../../src/ledger/make-transaction.ts";
import { makeNote } from "../../src/protocol/note.ts";
import { certify, makeBatch, makeOutbox } from "../../src/runtime/batch.ts";
import { CROSS_CHANNEL } from "../../src/runtime/cross-wire.ts";
import { CLIENT_CHANNEL, DUTY_CHANNEL, NOTE_CHANNEL } from "../../src/runtime/shard-node.ts";

const transactions = [0, 1, 2].map((nonce) =>
  transfer({ sender: addressOf("one"), nonce, fee: 3n }, addressOf("two"), 10n ** 18n),
);
const signature = Uint8Array.from({ length: 64 }, (_, i) => i);
const data = { list: [1, "two", 3n, null, true], name: "x" };

/** Bodies of every kind that validators and clients send beside consensus, by channel. */
export function wireSamples() {
  const [first, second] = transactions as [(typeof transactions)[0], (typeof transactions)[0]];
  const messages = [
    { kind: "credit", transaction: first, data },
    { kind: "commit", txId: second.id },
    { kind: "beat" },
  ];
  const outbox = makeOutbox(0, 7, [
    makeBatch({ from: 0, to: 1, sequence: 4 }, messages),
    makeBatch({ from: 0, to: 2, sequence: 9 }, messages.slice(1)),
  ]);
  const { chain, height, root } = outbox;
  const attestations = [0, 2].map((validator) => ({ validator, signature }));
  const certified = certify(outbox, 1, { chain, height, root, attestations });
  return [
    {
      channel: CROSS_CHANNEL,
      bodies: [
        { type: "attest", height, root, validator: 2, signature },
        { type: "batch", certified },
        { type: "want", chain: 1, sequence: 300 },
        { type: "heads", chain: 1, sent: 5, taken: 70_000 },
      ],
    },
    { channel: CLIENT_CHANNEL, bodies: [{ transactions }, { transactions: [] }] },
    {
      channel: NOTE_CHANNEL,
      bodies: [makeNote({ kind: "report", transactions, data }, [{ node: 3, signature }])],
    },
    {
      channel: DUTY_CHANNEL,
      bodies: [
        { kind: "join", transactions, data, sizeBytes: 0 },
        { kind: "ask", data: null, sizeBytes: 0 },
      ],
    },
  ];
}
