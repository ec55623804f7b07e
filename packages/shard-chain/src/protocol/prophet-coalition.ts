import type { Address } from "../ledger/address.ts";
import { shardsOf } from "../ledger/hops.ts";
import type { LedgerState, StateView } from "../ledger/state.ts";
import { accountKey } from "../ledger/state-value.ts";
import type { TransactionId } from "../ledger/transaction.ts";
import type { NodeId, Timer } from "../node/host.ts";
import type { ChainId } from "./chain.ts";
import type { NodeContext, NodeDuty } from "./node-duty.ts";
import { makeNote, type Note, type NoteContent, noteId } from "./note.ts";
import {
  CALLS_MAX,
  HOME_ATTEMPTS,
  PATIENCE_MS,
  PIECE_MAX,
  REPLY_MS,
  SLOT_MS,
  TERM_MS,
} from "./prophet-choices.ts";
import { type BatchData, RESULT, type Snapshot } from "./prophet-data.ts";
import {
  type Answer,
  askMessage,
  checkMessage,
  coalitionMessage,
} from "./prophet-duty-messages.ts";
import { falseResult, falseSnapshot, type Lie, lieOf } from "./prophet-lies.ts";
import { CoalitionMember, provenAccounts } from "./prophet-member.ts";
import { type Base, Prediction, type Tried } from "./prophet-prediction.ts";
import type { ShardState, Waiting } from "./prophet-shard-state.ts";
import { tentativeView } from "./prophet-tentative.ts";

/** What a coalition needs of the settings. */
export interface CoalitionSettings {
  readonly coalitionBatch: number;
  readonly lyingCoalitionShare: number;
  readonly seed: number;
}

/** What a member has shown of its shard. */
interface Shown {
  readonly snapshot: Snapshot;
  readonly accounts: ReadonlyMap<Address, { readonly balance: bigint; readonly word: bigint }>;
}

/** A batch on its way. */
interface Batch {
  readonly number: number;
  readonly lie: Lie | undefined;
  readonly items: readonly Waiting[];
  /** By other shard: accounts that are wanted. */
  readonly wanted: ReadonlyMap<ChainId, readonly Address[]>;
  readonly shown: Map<ChainId, Shown>;
  /** By other shard: how many members were asked. */
  readonly asked: Map<ChainId, number>;
  content: (NoteContent & { readonly data: BatchData }) | undefined;
  readonly signatures: Map<NodeId, Uint8Array>;
  timer: Timer | undefined;
}

/** How many batches a leader has open at most; one that stands still is given up for the others. */
const BATCHES_MAX = 64;

/**
 * A validator's part in coalitions: leads those for transactions of its own shard whose turn is
 * its own, and is a member of others. Chooses what to lead from what its shard has executed.
 */
export class Coalitions implements NodeDuty {
  readonly #node: NodeContext;
  readonly #settings: CoalitionSettings;
  readonly #member: CoalitionMember;
  readonly #prediction = new Prediction();
  readonly #batches = new Map<number, Batch>();
  /** What it has taken up: attempt and term by transaction. */
  readonly #taken = new Map<TransactionId, string>();
  #nextNumber = 1;

  constructor(node: NodeContext, settings: CoalitionSettings) {
    this.#node = node;
    this.#settings = settings;
    this.#member = new CoalitionMember(node, settings);
  }

  onExecuted(): void {
    const { state, timestampMs } = this.#node.executed();
    const { waiting } = state as ShardState;
    this.#prediction.follow(state as ShardState);
    for (const id of this.#taken.keys()) if (!waiting.has(id)) this.#taken.delete(id);
    const mine: Waiting[] = [];
    for (const one of waiting.values()) {
      if (one.attempt >= HOME_ATTEMPTS && !this.#isSlot(timestampMs)) continue;
      const term = termFor(one, timestampMs);
      const key = `${one.attempt}/${term}`;
      if (!this.#leads(term) || this.#taken.get(one.transaction.id) === key) continue;
      this.#taken.set(one.transaction.id, key);
      mine.push(one);
    }
    const coalitionBatch = Math.min(PIECE_MAX, this.#settings.coalitionBatch);
    for (let from = 0; from < mine.length; from += coalitionBatch) {
      this.#begin(mine.slice(from, from + coalitionBatch));
    }
  }

  onMessage(from: NodeId, message: Parameters<NonNullable<NodeDuty["onMessage"]>>[1]): void {
    const told = coalitionMessage(message);
    switch (told?.kind) {
      case "ask":
        this.#member.onAsk(from, told.body);
        return;
      case "check":
        this.#member.onCheck(from, told.body.data, told.transactions);
        return;
      case "answer":
        this.#onAnswer(from, told.body);
        return;
      case "sign":
        this.#onSignature(from, told.body.number, told.body.signature);
    }
  }

  /** Validators lead in turn, one at a time, so that each knows what was predicted before. */
  #leads(term: number): boolean {
    const { chain, index } = this.#node;
    return (chain.id + term) % chain.validators === index;
  }

  /** Shards that lead what has collided do so in turn, so as not to collide once more. */
  #isSlot(nowMs: number): boolean {
    const { chain, topology } = this.#node;
    return Math.floor(nowMs / SLOT_MS) % topology.shards === chain.id;
  }

  #begin(items: readonly Waiting[]): void {
    const { node, chain, topology } = this.#node;
    const number = this.#nextNumber++;
    const wanted = new Map<ChainId, Set<Address>>();
    for (const { transaction } of items) {
      // The sender's shard takes part, also where no step touches an account there.
      for (const shard of shardsOf(transaction, topology.placement)) {
        if (shard !== chain.id && !wanted.has(shard)) wanted.set(shard, new Set());
      }
      for (const { address } of transaction.steps) {
        wanted.get(topology.placement.shardOf(address))?.add(address);
      }
    }
    const batch: Batch = {
      number,
      lie: lieOf(this.#settings, node, number),
      items,
      wanted: new Map([...wanted].map(([shard, some]) => [shard, [...some]])),
      shown: new Map(),
      asked: new Map(),
      content: undefined,
      signatures: new Map(),
      timer: undefined,
    };
    this.#batches.set(number, batch);
    for (const [oldest] of this.#batches) {
      if (this.#batches.size <= BATCHES_MAX) break;
      this.#drop(oldest);
    }
    this.#ask(batch);
  }

  /** Asks a member of each shard that has not answered; the next one each time. */
  #ask(batch: Batch): void {
    const { nodesOf, index } = this.#node;
    for (const [shard, addresses] of batch.wanted) {
      if (batch.shown.has(shard)) continue;
      const nodes = nodesOf.call(this.#node, shard);
      const tries = batch.asked.get(shard) ?? 0;
      if (tries >= nodes.length) {
        this.#drop(batch.number);
        this.#predictReady();
        return;
      }
      batch.asked.set(shard, tries + 1);
      const member = nodes[(index + batch.number + tries) % nodes.length] as NodeId;
      this.#node.send(member, askMessage(batch.number, addresses));
    }
    if (batch.wanted.size === batch.shown.size) {
      this.#predictReady();
      return;
    }
    batch.timer = this.#node.setTimer(REPLY_MS, () => this.#ask(batch));
  }

  #onAnswer(from: NodeId, answer: Answer): void {
    const batch = this.#batches.get(answer.number);
    if (batch === undefined || batch.content !== undefined) return;
    for (const [shard, addresses] of batch.wanted) {
      if (batch.shown.has(shard) || !this.#node.nodesOf(shard).includes(from)) continue;
      this.#node.charge("proof", addresses.length);
      const accounts = provenAccounts(addresses, answer);
      if (accounts === undefined) return;
      const snapshot: Snapshot = [
        shard,
        answer.height,
        answer.root,
        from,
        answer.round,
        answer.undone,
      ];
      batch.shown.set(shard, { snapshot, accounts });
    }
    this.#predictReady();
  }

  /** Batches are predicted one after the other: each builds on the one before. */
  #predictReady(): void {
    for (const batch of this.#batches.values()) {
      if (batch.content !== undefined) continue;
      if (batch.shown.size < batch.wanted.size) return;
      if (batch.timer !== undefined) this.#node.cancelTimer(batch.timer);
      this.#predict(batch);
    }
  }

  #predict(batch: Batch): void {
    const { node, chain, topology } = this.#node;
    const { height, ledger, state } = this.#node.executed();
    const { waiting, lastRound, lastUndone } = state as ShardState;
    this.#prediction.follow(state as ShardState);
    const items = batch.items.filter(
      ({ transaction, attempt }) => waiting.get(transaction.id)?.attempt === attempt,
    );
    if (items.length === 0) {
      this.#drop(batch.number);
      return;
    }
    this.#node.charge("step", stepsOf(items));
    const base = this.#baseOf(batch, ledger, state as ShardState);
    const honest = this.#prediction.predict(items, base, topology.placement);
    const data: BatchData = {
      home: chain.id,
      leader: node,
      number: batch.number,
      snapshots: [
        [chain.id, height, ledger.rootHex, node, lastRound, lastUndone],
        ...[...batch.shown.values()].map(({ snapshot }) => snapshot),
      ],
      claims: batch.lie === "result" ? honest.map(falseResult) : honest,
    };
    batch.content = { kind: RESULT, transactions: [], data };
    batch.signatures.set(node, this.#node.sign(noteId(batch.content)));
    this.#callToSign(batch, items, data);
  }

  /** The accounts of all shards, as far as they have been shown. */
  #baseOf(batch: Batch, ledger: LedgerState, state: ShardState): Base {
    const { chain, topology, ledgerAt, executed } = this.#node;
    const old = ledgerAt.call(this.#node, executed.call(this.#node).height - 6) ?? ledger;
    const own = batch.lie === "stale" ? old : tentativeView(ledger, state);
    const base: Pick<StateView, "get"> = {
      get(key) {
        const address = key.slice(1) as Address;
        const shard = topology.placement.shardOf(address);
        if (shard === chain.id) return own.get(key);
        const shown = batch.shown.get(shard)?.accounts.get(address);
        if (shown === undefined || key !== accountKey(address)) return undefined;
        return { kind: "account", nonce: 0, ...shown };
      },
    };
    const { get } = batch.lie === "snapshot" ? falseSnapshot(base) : base;
    const roundOf = (address: Address) =>
      batch.shown.get(topology.placement.shardOf(address))?.snapshot[4] ?? state.lastRound;
    return { get, roundOf };
  }

  /** Hands the result to those who have not signed it; again for a while, as messages get lost. */
  #callToSign(batch: Batch, items: readonly Waiting[], data: BatchData, tries = 1): void {
    const { topology } = this.#node;
    const { sizeBytes } = makeNote(batch.content as NoteContent, []);
    for (const [shard, , , member] of data.snapshots) {
      if (batch.signatures.has(member)) continue;
      const own = items.filter(({ transaction }) =>
        shardsOf(transaction, topology.placement).includes(shard),
      );
      const transactions = own.map(({ transaction }) => transaction);
      this.#node.send(member, checkMessage(data, sizeBytes, transactions));
    }
    batch.timer = this.#node.setTimer(REPLY_MS, () => {
      if (tries < CALLS_MAX) this.#callToSign(batch, items, data, tries + 1);
      else this.#drop(batch.number);
    });
    this.#submitIfSigned(batch);
  }

  #onSignature(from: NodeId, number: number, signature: string): void {
    const batch = this.#batches.get(number);
    const { content } = batch ?? {};
    if (batch === undefined || content === undefined || batch.signatures.has(from)) return;
    if (!content.data.snapshots.some(([, , , member]) => member === from)) return;
    const bytes = Uint8Array.from(Buffer.from(signature, "base64"));
    if (!this.#node.verify(from, noteId(content), bytes)) return;
    batch.signatures.set(from, bytes);
    this.#submitIfSigned(batch);
  }

  #submitIfSigned(batch: Batch): void {
    const { content, signatures } = batch;
    if (content === undefined || signatures.size < content.data.snapshots.length) return;
    const signed = [...signatures].map(([node, signature]) => ({ node, signature }));
    this.#drop(batch.number);
    this.#submit(makeNote(content, signed), content.data.claims);
  }

  /** Says it again as long as the home waits for it: messages get lost. */
  #submit(note: Note, claims: BatchData["claims"]): void {
    this.#node.submit(this.#node.topology.shards, note);
    this.#node.setTimer(PATIENCE_MS / 4, () => {
      const { waiting } = this.#node.executed().state as ShardState;
      const isOpen = ({ id, attempt }: { id: string; attempt: number }) =>
        waiting.get(id)?.attempt === attempt;
      if (claims.some(isOpen)) this.#submit(note, claims);
    });
  }

  #drop(number: number): void {
    const batch = this.#batches.get(number);
    if (batch?.timer !== undefined) this.#node.cancelTimer(batch.timer);
    this.#batches.delete(number);
  }
}

/** The term whose leader takes it: in which it came, or the present one if that is long ago. */
function termFor({ sinceMs }: Waiting, nowMs: number): number {
  return Math.floor((nowMs - sinceMs > PATIENCE_MS ? nowMs : sinceMs) / TERM_MS);
}

function stepsOf(items: readonly Tried[]): number {
  return items.reduce((sum, { transaction }) => sum + transaction.steps.length, 0);
}
