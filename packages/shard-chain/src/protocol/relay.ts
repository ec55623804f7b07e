import { EMPTY_CARRY } from "../ledger/execution.ts";
import { type Hop, hopsOf } from "../ledger/hops.ts";
import type { Step, Transaction } from "../ledger/transaction.ts";
import { type CarryData, carryData, carryOf } from "./carry-data.ts";
import { homeOf } from "./chain.ts";
import type { ChainContext } from "./chain-context.ts";
import type { CrossMessage } from "./cross-message.ts";
import { type Protocol, protocolEntry } from "./protocol.ts";
import { runHop } from "./run-hop.ts";

/** A relay transaction: the money and the words that the hops before have handed on. */
interface RelayMessage extends CrossMessage {
  readonly kind: "relay";
  readonly transaction: Transaction;
  readonly data: { readonly hop: number; readonly carry: CarryData };
}

/** Steps that cannot fail where they come after the withdrawal. */
const SURE_OPS: ReadonlySet<Step["op"]> = new Set(["observe", "credit", "deposit", "mix"]);

/**
 * Monoxide's relay transactions: the sender's shard withdraws, the next shard deposits, and so on,
 * with no locks and no way back. Whatever could fail must be in the first hop; other transactions
 * it refuses. Atomic in the end; not isolated, so neither serialisable nor fair.
 */
const createRelay = (): Protocol => ({
  name: "relay",
  title: "Relay transactions",
  source: "Wang and Wang 2019, Monoxide (NSDI), relay transactions and eventual atomicity",
  isReconstruction: false,
  promises: new Set(),
  entryOf: homeOf,
  createState: () => ({}),
  onTransaction(chain, transaction) {
    const hops = hopsOf(transaction, chain.topology.placement);
    chain.record.begin(transaction.id, hops.length);
    const refusal = chain.admit(transaction) ?? unsureReason(transaction, hops);
    if (refusal === undefined) runRelay(chain, transaction, hops, 0, EMPTY_CARRY);
    else chain.record.decide(transaction.id, { outcome: "abort", reason: refusal, parts: 0 });
  },
  onCrossMessage(chain, message) {
    const { transaction, data } = message as RelayMessage;
    const hops = hopsOf(transaction, chain.topology.placement);
    runRelay(chain, transaction, hops, data.hop, carryOf(data.carry));
  },
});

function runRelay(
  chain: ChainContext,
  transaction: Transaction,
  hops: readonly Hop[],
  at: number,
  carry: typeof EMPTY_CARRY,
): void {
  const { record } = chain;
  const hop = hops[at] as Hop;
  const isLast = at === hops.length - 1;
  const outcome = runHop(chain, transaction, { ...hop, isLast }, carry);
  if (!outcome.ok) {
    // Only the first hop can fail, see `SURE_OPS`: nothing has happened elsewhere.
    const { reason } = outcome;
    record.decide(transaction.id, { outcome: "abort", reason, parts: 0 });
    return;
  }
  if (at === 0) record.decide(transaction.id, { outcome: "commit", parts: hops.length });
  record.settle(transaction.id, at, "commit");
  const next = hops[at + 1];
  if (next === undefined) return;
  const data = { hop: at + 1, carry: carryData(outcome.carry) };
  chain.send(next.shard, { kind: "relay", transaction, data });
}

/** Why a transaction has no way through: something after its first hop could fail. */
export function unsureReason(
  { steps }: Transaction,
  hops: readonly Hop[],
): "unsupported" | undefined {
  if (hops.length === 1) return undefined;
  const after = hops[0]?.to ?? 0;
  const isSure = steps.slice(after).every(({ op }) => SURE_OPS.has(op)) && isPurseSure(steps);
  return isSure ? undefined : "unsupported";
}

/** Whether credits always find enough in the purse, and the last step leaves nothing. */
function isPurseSure(steps: readonly Step[]): boolean {
  let purse = 0n;
  let isKnown = true;
  for (const step of steps) {
    if (step.op === "debit") purse += step.amount;
    else if (step.op === "sweep" || step.op === "check") isKnown = false;
    else if (step.op === "deposit") {
      purse = 0n;
      isKnown = true;
    } else if (step.op === "credit") {
      purse -= step.amount;
      if (!isKnown || purse < 0n) return false;
    }
  }
  return isKnown && purse === 0n;
}

/** Monoxide's relay transactions. */
export const RELAY = protocolEntry("relay", createRelay);
