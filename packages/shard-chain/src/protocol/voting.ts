import { shardsOf } from "../ledger/hops.ts";
import type { LockDiscipline } from "../ledger/locks.ts";
import type { FailureReason } from "../ledger/receipt.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";
import { type ChainId, homeOf } from "./chain.ts";
import type { ChainContext } from "./chain-context.ts";
import type { CrossMessage } from "./cross-message.ts";
import { runCalls, tryCalls, withoutCalls } from "./local-calls.ts";
import { type LockingState, LockRoom, lockingState } from "./lock-room.ts";
import type { Protocol, ProtocolSettings } from "./protocol.ts";
import { type AccountValue, applyValues, evaluate, valuesOn } from "./remote-values.ts";

/** What a shard says about its part: the accounts as they stand under its locks, or why not. */
type VoteData = { readonly values: readonly AccountValue[] } | { readonly reason: FailureReason };

type VotingMessage = CrossMessage &
  (
    | { readonly kind: "prepare"; readonly transaction: Transaction }
    | { readonly kind: "vote"; readonly txId: TransactionId; readonly data: VoteData }
    | { readonly kind: "commit"; readonly txId: TransactionId; readonly data: CommitData }
    | { readonly kind: "abort"; readonly txId: TransactionId }
  );

/** The values that all shards' accounts had; each shard computes the outcome from them. */
type CommitData = { readonly values: readonly AccountValue[] };

/** What is known of a transaction on a shard. */
interface Ballot {
  /** Undefined while only votes have come. */
  readonly transaction: Transaction | undefined;
  /** By shard. */
  readonly votes: ReadonlyMap<ChainId, VoteData>;
}

/** What voting protocols keep for a shard. */
export interface VotingState extends LockingState {
  readonly ballots: Map<TransactionId, Ballot>;
}

/** What distinguishes one voting protocol from another. */
export interface VotingOptions
  extends Pick<Protocol, "name" | "title" | "source" | "isReconstruction"> {
  readonly discipline: LockDiscipline;
  /** `centralised`: the home shard counts the votes; `distributed`: every shard does. */
  readonly orchestration: "centralised" | "distributed";
}

/**
 * All shards of a transaction lock at once and vote. Steps of one shard may need what another's
 * have read, so a vote brings the values of the locked accounts along, and the outcome is computed
 * from all of them. Contracts' storage does not travel: its shard tries the calls before it votes
 * and runs them when all have voted for it.
 */
export function createVoting(
  options: VotingOptions,
  settings: ProtocolSettings,
): Protocol<VotingState> {
  const voting = new Voting(options, settings);
  const { name, title, source, isReconstruction } = options;
  return {
    name,
    title,
    source,
    isReconstruction,
    promises: new Set(["serialisability"]),
    entryOf: homeOf,
    createState: () => ({ ...lockingState(), ballots: new Map() }),
    onTransaction: (chain, transaction) => voting.onTransaction(chain, transaction),
    onCrossMessage: (chain, message, from) =>
      voting.onMessage(chain, message as VotingMessage, from),
    onCommit: (chain) => voting.expire(chain),
  };
}

type Context = ChainContext<VotingState>;

class Voting {
  readonly #isCentral: boolean;
  readonly #room: LockRoom<VotingState>;

  constructor({ discipline, orchestration }: VotingOptions, settings: ProtocolSettings) {
    this.#isCentral = orchestration === "centralised";
    this.#room = new LockRoom<VotingState>({
      discipline,
      policy: settings.lockPolicy,
      timeoutMs: settings.lockTimeoutMs,
      onHeld: (chain, transaction) => this.#onHeld(chain, transaction),
      onRefused: (chain, transaction, reason) => this.#onRefused(chain, transaction, reason),
      onNotAdmitted: (chain, { id }, reason) =>
        chain.record.decide(id, { outcome: "abort", reason, parts: 0 }),
    });
  }

  onTransaction(chain: Context, transaction: Transaction): void {
    const { id } = transaction;
    chain.record.begin(id, shardsOf(transaction, chain.topology.placement).length);
    this.#room.takeUp(chain, transaction);
  }

  onMessage(chain: Context, message: VotingMessage, from: ChainId): void {
    switch (message.kind) {
      case "prepare":
        this.#room.acquire(chain, message.transaction);
        return;
      case "vote":
        this.#onVote(chain, message.txId, from, message.data);
        return;
      case "commit":
        this.#commit(chain, message.txId, message.data.values);
        return;
      case "abort":
        this.#abort(chain, message.txId);
    }
  }

  expire(chain: Context): void {
    this.#room.expire(chain);
  }

  /** All locks of this shard are held. */
  #onHeld(chain: Context, transaction: Transaction): void {
    const reason = tryCalls(chain, transaction);
    if (reason !== undefined) this.#vote(chain, transaction, { reason });
    else this.#vote(chain, transaction, { values: valuesOn(chain, transaction) });
  }

  #onRefused(chain: Context, transaction: Transaction, reason: FailureReason): void {
    this.#vote(chain, transaction, { reason });
  }

  /** This shard votes; the home shard's vote also calls the others, as it is the first. */
  #vote(chain: Context, transaction: Transaction, data: VoteData): void {
    const { topology } = chain;
    const { id } = transaction;
    const self = chain.chain.id;
    const home = homeOf(transaction, topology);
    const others = shardsOf(transaction, topology.placement).filter((shard) => shard !== self);
    const isCalled = self !== home || "values" in data;
    if (self === home && isCalled) {
      for (const shard of others) chain.send(shard, { kind: "prepare", transaction });
    }
    const isForAll = !this.#isCentral && isCalled;
    if (isForAll) for (const to of others) chain.send(to, { kind: "vote", txId: id, data });
    else if (self !== home) chain.send(home, { kind: "vote", txId: id, data });
    this.#add(chain, id, self, data, transaction);
  }

  #onVote(chain: Context, txId: TransactionId, from: ChainId, data: VoteData): void {
    this.#add(chain, txId, from, data, undefined);
  }

  #add(
    chain: Context,
    txId: TransactionId,
    from: ChainId,
    data: VoteData,
    transaction: Transaction | undefined,
  ): void {
    const { ballots } = chain.state;
    const known = ballots.get(txId);
    const ballot: Ballot = {
      transaction: transaction ?? known?.transaction,
      votes: new Map(known?.votes).set(from, data),
    };
    ballots.set(txId, ballot);
    this.#count(chain, txId, ballot);
  }

  #count(chain: Context, txId: TransactionId, { transaction, votes }: Ballot): void {
    // Votes may come before this shard has its own locks: its own vote must be among them.
    if (transaction === undefined) return;
    const { topology, record } = chain;
    const self = chain.chain.id;
    const isHome = self === homeOf(transaction, topology);
    if (this.#isCentral && !isHome) return;
    const shards = shardsOf(transaction, topology.placement);
    const own = votes.get(self);
    // Who was refused at home has called nobody.
    const isAlone = isHome && own !== undefined && "reason" in own;
    if (!isAlone && votes.size < shards.length) return;
    const refusal = reasonIn(votes, shards);
    const values = shards.flatMap((shard) => valuesIn(votes.get(shard)));
    const reason = refusal ?? evaluate(withoutCalls(transaction), values).reason;
    const parts = isAlone ? 1 : shards.length;
    if (reason === undefined) record.decide(txId, { outcome: "commit", parts });
    else record.decide(txId, { outcome: "abort", reason, parts });
    if (this.#isCentral && !isAlone) this.#tell(chain, txId, shards, reason, values);
    if (reason === undefined) this.#commit(chain, txId, values);
    else this.#abort(chain, txId);
  }

  #tell(
    chain: Context,
    txId: TransactionId,
    shards: readonly ChainId[],
    reason: FailureReason | undefined,
    values: readonly AccountValue[],
  ): void {
    for (const shard of shards) {
      if (shard === chain.chain.id) continue;
      if (reason === undefined) chain.send(shard, { kind: "commit", txId, data: { values } });
      else chain.send(shard, { kind: "abort", txId });
    }
  }

  #commit(chain: Context, txId: TransactionId, values: readonly AccountValue[]): void {
    const transaction = this.#take(chain, txId);
    if (transaction === undefined) return;
    const { values: after } = evaluate(withoutCalls(transaction), values);
    applyValues(chain, transaction, values, after);
    runCalls(chain, transaction);
    this.#settle(chain, transaction, "commit");
  }

  #abort(chain: Context, txId: TransactionId): void {
    const transaction = this.#take(chain, txId);
    if (transaction !== undefined) this.#settle(chain, transaction, "abort");
  }

  #take({ state }: Context, txId: TransactionId): Transaction | undefined {
    const transaction = state.ballots.get(txId)?.transaction;
    state.ballots.delete(txId);
    return transaction;
  }

  #settle(chain: Context, transaction: Transaction, outcome: "commit" | "abort"): void {
    const shards = shardsOf(transaction, chain.topology.placement);
    chain.record.settle(transaction.id, shards.indexOf(chain.chain.id), outcome);
    this.#room.release(chain, transaction);
  }
}

function valuesIn(vote: VoteData | undefined): readonly AccountValue[] {
  return vote !== undefined && "values" in vote ? vote.values : [];
}

/** The first refusal, by the order of the shards. */
function reasonIn(
  votes: ReadonlyMap<ChainId, VoteData>,
  shards: readonly ChainId[],
): FailureReason | undefined {
  for (const shard of shards) {
    const vote = votes.get(shard);
    if (vote !== undefined && "reason" in vote) return vote.reason;
  }
  return undefined;
}
