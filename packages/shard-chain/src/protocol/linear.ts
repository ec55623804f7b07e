import { EMPTY_CARRY } from "../ledger/execution.ts";
import { type Hop, hopsOf } from "../ledger/hops.ts";
import type { LockDiscipline } from "../ledger/locks.ts";
import type { FailureReason } from "../ledger/receipt.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";
import { type CarryData, carryData, carryOf } from "./carry-data.ts";
import { type ChainId, homeOf } from "./chain.ts";
import type { ChainContext } from "./chain-context.ts";
import type { CrossMessage } from "./cross-message.ts";
import { type LockingState, LockRoom, lockingState } from "./lock-room.ts";
import type { Protocol, ProtocolSettings } from "./protocol.ts";
import { type HopUndo, runHop, undoHop } from "./run-hop.ts";

/** A transaction on its way through a shard. */
interface Passage {
  readonly transaction: Transaction;
  /** The hop to run when the locks are there. */
  readonly hop: number;
  readonly carry: CarryData;
  /** What its hops here did, newest last. */
  readonly undos: readonly HopUndo[];
}

/** What linear protocols keep for a chain. */
export interface LinearState extends LockingState {
  readonly passages: Map<TransactionId, Passage>;
  /** On a reference committee: hops that have said yes, of transactions that are undecided. */
  readonly votes: Map<TransactionId, { readonly transaction: Transaction; readonly yes: number }>;
}

type LinearMessage = CrossMessage &
  (
    | { readonly kind: "execute"; readonly transaction: Transaction; readonly data: ExecuteData }
    | { readonly kind: "yes"; readonly txId: TransactionId }
    | {
        readonly kind: "no";
        readonly txId: TransactionId;
        readonly data: { readonly hop: number; readonly reason: FailureReason };
      }
    | { readonly kind: "commit" | "abort"; readonly txId: TransactionId }
  );

type ExecuteData = { readonly hop: number; readonly carry: CarryData };

/** What distinguishes one linear protocol from another. */
export interface LinearOptions
  extends Pick<Protocol, "name" | "title" | "source" | "isReconstruction"> {
  readonly discipline: LockDiscipline;
  /** Decides in place of the last shard of a transaction's way. */
  readonly committee?: string;
}

/**
 * Locks and executes a transaction hop by hop, each shard after the one before it; every shard
 * keeps its locks until the decision. The last shard decides, and tells the others; or, where there
 * is a reference committee, each shard tells it how its hop went and it decides.
 */
export function createLinear(
  options: LinearOptions,
  settings: ProtocolSettings,
): Protocol<LinearState> {
  const linear = new Linear(options, settings);
  const { name, title, source, isReconstruction, committee } = options;
  return {
    name,
    title,
    source,
    isReconstruction,
    promises: new Set(["serialisability"]),
    ...(committee !== undefined && {
      committees: [{ name: committee, validators: settings.committeeValidators }],
    }),
    entryOf: (transaction, topology) => {
      const home = homeOf(transaction, topology);
      const isLocal = hopsOf(transaction, topology.placement).length === 1;
      return isLocal || committee === undefined ? home : topology.shards;
    },
    createState: () => ({ ...lockingState(), passages: new Map(), votes: new Map() }),
    onTransaction: (chain, transaction) => linear.onTransaction(chain, transaction),
    onCrossMessage: (chain, message) => linear.onMessage(chain, message as LinearMessage),
    onCommit: (chain) => linear.expire(chain),
  };
}

type Context = ChainContext<LinearState>;

class Linear {
  readonly #hasCommittee: boolean;
  readonly #room: LockRoom<LinearState>;

  constructor({ discipline, committee }: LinearOptions, settings: ProtocolSettings) {
    this.#hasCommittee = committee !== undefined;
    this.#room = new LockRoom<LinearState>({
      discipline,
      policy: settings.lockPolicy,
      timeoutMs: settings.lockTimeoutMs,
      onHeld: (chain, transaction) => this.#run(chain, transaction),
      onRefused: (chain, { id }, reason) => this.#refuse(chain, id, reason),
      onNotAdmitted: (chain, transaction, reason) => this.#notAdmitted(chain, transaction, reason),
    });
  }

  onTransaction(chain: Context, transaction: Transaction): void {
    const { record, topology, state } = chain;
    const hops = hopsOf(transaction, topology.placement);
    record.begin(transaction.id, shardsOn(hops).length);
    if (!chain.chain.isShard) {
      state.votes.set(transaction.id, { transaction, yes: 0 });
      this.#sendOn(chain, transaction, hops, 0, carryData(EMPTY_CARRY));
      return;
    }
    if (hops.length === 1 && this.#room.isFree(chain, transaction)) {
      this.#runAlone(chain, transaction);
      return;
    }
    this.#enter(chain, transaction, { hop: 0, carry: carryData(EMPTY_CARRY) });
  }

  onMessage(chain: Context, message: LinearMessage): void {
    switch (message.kind) {
      case "execute":
        this.#enter(chain, message.transaction, message.data);
        return;
      case "yes":
        this.#countYes(chain, message.txId);
        return;
      case "no":
        this.#decideAbort(chain, message.txId, message.data.hop, message.data.reason);
        return;
      case "commit":
        this.#end(chain, message.txId, "commit");
        return;
      case "abort":
        this.#end(chain, message.txId, "abort");
    }
  }

  expire(chain: Context): void {
    if (chain.chain.isShard) this.#room.expire(chain);
  }

  /** A transaction whose accounts are all here and free: no lock is worth taking. */
  #runAlone(chain: Context, transaction: Transaction): void {
    const { record } = chain;
    const { id } = transaction;
    const refusal = chain.admit(transaction);
    if (refusal !== undefined) {
      this.#room.notAdmitted(chain, transaction, refusal);
      return;
    }
    const range = { from: 0, to: transaction.steps.length, isLast: true };
    const outcome = runHop(chain, transaction, range, EMPTY_CARRY);
    if (outcome.ok) record.decide(id, { outcome: "commit", parts: 1 });
    else record.decide(id, { outcome: "abort", reason: outcome.reason, parts: 1 });
    record.settle(id, 0, outcome.ok ? "commit" : "abort");
    this.#room.admitted(chain, transaction);
  }

  /** The transaction comes to this shard for its hop `hop`. */
  #enter(chain: Context, transaction: Transaction, { hop, carry }: ExecuteData): void {
    const { passages } = chain.state;
    const known = passages.get(transaction.id);
    passages.set(transaction.id, { transaction, hop, carry, undos: known?.undos ?? [] });
    if (known !== undefined) this.#run(chain, transaction);
    else if (hop === 0) this.#room.takeUp(chain, transaction);
    else this.#room.acquire(chain, transaction);
  }

  #run(chain: Context, transaction: Transaction): void {
    const { state, topology } = chain;
    const { id } = transaction;
    const passage = state.passages.get(id) as Passage;
    const hops = hopsOf(transaction, topology.placement);
    const hop = hops[passage.hop] as Hop;
    const isLast = passage.hop === hops.length - 1;
    const outcome = runHop(chain, transaction, { ...hop, isLast }, carryOf(passage.carry));
    if (!outcome.ok) {
      takeBack(chain, id, passage);
      this.#room.release(chain, transaction);
      this.#refuse(chain, id, outcome.reason);
      return;
    }
    state.passages.set(id, { ...passage, undos: [...passage.undos, outcome.undo] });
    if (this.#hasCommittee && hops.length > 1) {
      chain.send(topology.shards, { kind: "yes", txId: id });
      if (!isLast)
        this.#sendOn(chain, transaction, hops, passage.hop + 1, carryData(outcome.carry));
    } else if (isLast) {
      this.#decideCommit(chain, transaction, hops);
    } else {
      this.#sendOn(chain, transaction, hops, passage.hop + 1, carryData(outcome.carry));
    }
  }

  #sendOn(
    chain: Context,
    transaction: Transaction,
    hops: readonly Hop[],
    hop: number,
    carry: CarryData,
  ): void {
    const { shard } = hops[hop] as Hop;
    chain.send(shard, { kind: "execute", transaction, data: { hop, carry } });
  }

  /** The last shard has executed: nothing can fail any more. */
  #decideCommit(chain: Context, { id }: Transaction, hops: readonly Hop[]): void {
    const shards = shardsOn(hops);
    chain.record.decide(id, { outcome: "commit", parts: shards.length });
    for (const shard of shards) {
      if (shard !== chain.chain.id) chain.send(shard, { kind: "commit", txId: id });
    }
    this.#end(chain, id, "commit");
  }

  #countYes(chain: Context, txId: TransactionId): void {
    const { votes } = chain.state;
    const vote = votes.get(txId);
    if (vote === undefined) return;
    const { transaction } = vote;
    const hops = hopsOf(transaction, chain.topology.placement);
    votes.set(txId, { transaction, yes: vote.yes + 1 });
    if (vote.yes + 1 < hops.length) return;
    votes.delete(txId);
    const shards = shardsOn(hops);
    chain.record.decide(txId, { outcome: "commit", parts: shards.length });
    for (const shard of shards) chain.send(shard, { kind: "commit", txId });
  }

  /** Its hop here failed, or got no locks: the shards before it take back what they did. */
  #refuse(chain: Context, txId: TransactionId, reason: FailureReason): void {
    const { passages } = chain.state;
    const { transaction, hop } = passages.get(txId) as Passage;
    passages.delete(txId);
    const hops = hopsOf(transaction, chain.topology.placement);
    const part = shardsOn(hops).indexOf(chain.chain.id);
    chain.record.settle(txId, part, "abort");
    if (this.#hasCommittee && hops.length > 1) {
      chain.send(chain.topology.shards, { kind: "no", txId, data: { hop, reason } });
    } else {
      this.#tellAbort(chain, transaction, hop, reason);
    }
  }

  #decideAbort(chain: Context, txId: TransactionId, hop: number, reason: FailureReason): void {
    const vote = chain.state.votes.get(txId);
    chain.state.votes.delete(txId);
    if (vote === undefined) return;
    const { placement } = chain.topology;
    const failed = hopsOf(vote.transaction, placement)[hop]?.shard;
    this.#tellAbort(chain, vote.transaction, hop, reason, failed);
  }

  /** Tells all shards that the transaction has visited but the one that refused. */
  #tellAbort(
    chain: Context,
    transaction: Transaction,
    hop: number,
    reason: FailureReason,
    failed: ChainId | undefined = chain.chain.id,
  ): void {
    const { id } = transaction;
    const visited = shardsOn(hopsOf(transaction, chain.topology.placement).slice(0, hop + 1));
    chain.record.decide(id, { outcome: "abort", reason, parts: visited.length });
    for (const shard of visited) {
      if (shard !== failed) chain.send(shard, { kind: "abort", txId: id });
    }
  }

  /** The decision has come to this shard. */
  #end(chain: Context, txId: TransactionId, outcome: "commit" | "abort"): void {
    const { state, topology, record } = chain;
    const passage = state.passages.get(txId);
    if (passage === undefined) return;
    const { transaction } = passage;
    state.passages.delete(txId);
    if (outcome === "abort") takeBack(chain, txId, passage);
    const shards = shardsOn(hopsOf(transaction, topology.placement));
    record.settle(txId, shards.indexOf(chain.chain.id), outcome);
    this.#room.release(chain, transaction);
  }

  #notAdmitted(chain: Context, transaction: Transaction, reason: FailureReason): void {
    const { id } = transaction;
    chain.state.passages.delete(id);
    const isRemote = this.#hasCommittee && !isLocal(chain, transaction);
    if (isRemote)
      chain.send(chain.topology.shards, { kind: "no", txId: id, data: { hop: -1, reason } });
    else chain.record.decide(id, { outcome: "abort", reason, parts: 0 });
  }
}

/** Takes back what a transaction's hops did on this shard, while it still holds its locks. */
function takeBack(chain: Context, txId: TransactionId, { undos }: Passage): void {
  for (const undo of [...undos].reverse()) undoHop(chain, txId, undo);
}

/** Every shard of a way, each once; a transaction's parts are numbered by this list. */
function shardsOn(hops: readonly Hop[]): ChainId[] {
  return [...new Set(hops.map(({ shard }) => shard))];
}

function isLocal({ topology }: Context, transaction: Transaction): boolean {
  return hopsOf(transaction, topology.placement).length === 1;
}
