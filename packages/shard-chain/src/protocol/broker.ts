import type { Address } from "../ledger/address.ts";
import { type Carry, EMPTY_CARRY } from "../ledger/execution.ts";
import type { Hop } from "../ledger/hops.ts";
import { accountIn } from "../ledger/state.ts";
import { accountKey } from "../ledger/state-value.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";
import { type BrokerSet, brokerSet } from "../placement/brokers.ts";
import { type CarryData, carryData, carryOf } from "./carry-data.ts";
import { type ChainId, homeOf, type Topology } from "./chain.ts";
import type { ChainContext } from "./chain-context.ts";
import type { CrossMessage } from "./cross-message.ts";
import { type Protocol, type ProtocolSettings, protocolEntry } from "./protocol.ts";
import { unsureReason } from "./relay.ts";
import { runHop } from "./run-hop.ts";

/** The second half of a transfer: the broker has been paid there and pays here. */
interface PayMessage extends CrossMessage {
  readonly kind: "pay";
  readonly transaction: Transaction;
  readonly data: { readonly hop: number; readonly carry: CarryData };
}

/** What the broker protocol keeps for a shard. */
interface BrokerState {
  /** Halves whose broker has too little here, oldest first. */
  readonly unpaid: Map<TransactionId, PayMessage>;
}

/** Wei that every broker brings along, shared out over the shards: 10^9 ether. */
const BROKER_WEI = 10n ** 27n;

/**
 * BrokerChain: brokers have a share of their balance on every shard. A transfer between shards is
 * split into one to a broker on the sender's shard and one from the broker on the receiver's, and
 * transfers to a broker itself need one shard only. Where a broker's share is used up, the second
 * half waits until it is not. Like relay it has no locks: atomic in the end, not isolated.
 *
 * @see Huang et al. 2022, BrokerChain (INFOCOM); HuangLab-SYSU/block-emulator for the two halves
 */
function createBroker({ brokers }: ProtocolSettings): Protocol<BrokerState> {
  const set = brokerSet(brokers);
  return {
    name: "broker",
    title: "Brokers with segmented accounts",
    source: "Huang et al. 2022, BrokerChain (INFOCOM); HuangLab-SYSU/block-emulator",
    isReconstruction: false,
    promises: new Set(),
    segmented: new Set(set.brokers),
    genesis: set.brokers.map((address) => ({ address, balance: BROKER_WEI })),
    entryOf: homeOf,
    createState: () => ({ unpaid: new Map() }),
    onTransaction(chain, transaction) {
      const hops = brokeredHops(transaction, chain.topology, set);
      chain.record.begin(transaction.id, hops.length);
      const refusal = chain.admit(transaction) ?? unsureReason(transaction, hops);
      if (refusal === undefined) runFrom(chain, set, transaction, 0, EMPTY_CARRY);
      else chain.record.decide(transaction.id, { outcome: "abort", reason: refusal, parts: 0 });
    },
    onCrossMessage: (chain, message) => pay(chain, set, message as PayMessage),
    onCommit(chain) {
      for (const message of [...chain.state.unpaid.values()]) {
        chain.state.unpaid.delete(message.transaction.id);
        pay(chain, set, message);
      }
    },
  };
}

type Context = ChainContext<BrokerState>;

function runFrom(
  chain: Context,
  set: BrokerSet,
  transaction: Transaction,
  at: number,
  carry: Carry,
): void {
  const { record } = chain;
  const { id } = transaction;
  const hops = brokeredHops(transaction, chain.topology, set);
  const isLast = at === hops.length - 1;
  const outcome = runHop(chain, transaction, { ...(hops[at] as Hop), isLast }, carry);
  if (!outcome.ok) {
    record.decide(id, { outcome: "abort", reason: outcome.reason, parts: 0 });
    return;
  }
  if (at === 0) record.decide(id, { outcome: "commit", parts: hops.length });
  record.settle(id, at, "commit");
  const next = hops[at + 1];
  if (next === undefined) return;
  changeBroker(chain, set.brokerFor(id), id, outcome.carry.purse);
  const data = { hop: at + 1, carry: carryData(outcome.carry) };
  chain.send(next.shard, { kind: "pay", transaction, data });
}

/** The broker pays on this shard what it got on the one before, once it can. */
function pay(chain: Context, set: BrokerSet, message: PayMessage): void {
  const { transaction, data } = message;
  const { id } = transaction;
  const broker = set.brokerFor(id);
  const carry = carryOf(data.carry);
  if (accountIn(chain.ledger, broker).balance < carry.purse) {
    chain.state.unpaid.set(id, message);
    chain.record.waits(id, "lockWait");
    return;
  }
  chain.record.goesOn(id);
  changeBroker(chain, broker, id, -carry.purse);
  runFrom(chain, set, transaction, data.hop, carry);
}

function changeBroker(chain: Context, broker: Address, txId: TransactionId, wei: bigint): void {
  if (wei === 0n) return;
  const account = accountIn(chain.ledger, broker);
  chain.ledger.set(accountKey(broker), { ...account, balance: account.balance + wei });
  chain.record.write(txId, broker);
  chain.record.move(txId, wei);
}

/**
 * The way of a transaction, where steps on brokers' accounts are done wherever the transaction is:
 * the first of them with the step that follows.
 */
function brokeredHops(transaction: Transaction, topology: Topology, set: BrokerSet): Hop[] {
  const { steps } = transaction;
  const home = homeOf(transaction, topology);
  const fixed = ({ address }: (typeof steps)[number]): ChainId | undefined =>
    set.isBroker(address) ? undefined : topology.placement.shardOf(address);
  const firstFixed = steps.map(fixed).find((shard) => shard !== undefined);
  const hops: Hop[] = [];
  let shard = home;
  let from = 0;
  steps.forEach((step, i) => {
    const wanted = fixed(step) ?? (i === 0 ? (firstFixed ?? home) : shard);
    if (wanted === shard) return;
    hops.push({ shard, from, to: i });
    shard = wanted;
    from = i;
  });
  hops.push({ shard, from, to: steps.length });
  return hops;
}

/** BrokerChain's brokers. */
export const BROKER = protocolEntry("broker", createBroker);
