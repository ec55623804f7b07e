import { EMPTY_CARRY } from "../../src/ledger/execution.ts";
import { hopsOf } from "../../src/ledger/hops.ts";
import { homeOf } from "../../src/protocol/chain.ts";
import { protocolEntry } from "../../src/protocol/protocol.ts";
import { runHop } from "../../src/protocol/run-hop.ts";

/** Does what one shard can do alone. */
export const LOCAL_ONLY = protocolEntry("local-only", () => ({
  name: "local-only",
  title: "No cross-shard transactions",
  source: "textbook",
  isReconstruction: false,
  promises: new Set(["serialisability", "fairness"] as const),
  entryOf: homeOf,
  createState: () => ({}),
  onCrossMessage: () => undefined,
  onTransaction(chain, transaction) {
    const { record, topology } = chain;
    const { id, steps } = transaction;
    record.begin(id, 1);
    const refusal = chain.admit(transaction);
    const isLocal = hopsOf(transaction, topology.placement).length === 1;
    const range = { from: 0, to: steps.length, isLast: true };
    const outcome = isLocal && runHop(chain, transaction, range, EMPTY_CARRY);
    const reason = refusal ?? (outcome ? (outcome.ok ? undefined : outcome.reason) : "unsupported");
    if (reason === undefined) {
      record.decide(id, { outcome: "commit", parts: 1 });
      record.settle(id, 0, "commit");
    } else {
      record.decide(id, { outcome: "abort", reason, parts: 0 });
    }
  },
}));
