import { hash } from "node:crypto";
import { ShardChainError } from "../errors.ts";
import type { Address } from "../ledger/address.ts";
import { admit, type ExecutionContext } from "../ledger/execution.ts";
import type { FailureReason } from "../ledger/receipt.ts";
import type { LedgerState, StateDraft } from "../ledger/state.ts";
import type { Transaction } from "../ledger/transaction.ts";
import type { Block } from "../node/block.ts";
import type { ProcessedPlace } from "../oracles/processing-order.ts";
import type { ChainId, ChainInfo, Topology } from "../protocol/chain.ts";
import type { ChainContext, ChainState } from "../protocol/chain-context.ts";
import { type CrossMessage, messageBytes } from "../protocol/cross-message.ts";
import type { Protocol } from "../protocol/protocol.ts";
import { type Batch, makeBatch, makeOutbox, type Outbox } from "./batch.ts";
import { type BlockLimits, contentOf } from "./block-content.ts";
import type { BlockRecorder } from "./block-recorder.ts";
import { copyState } from "./copy-state.ts";

/** What executing a block led to: a function of the blocks up to it. */
export interface ExecutedBlock {
  readonly height: number;
  readonly blockId: string;
  readonly timestampMs: number;
  readonly ledger: LedgerState;
  readonly outbox: Outbox;
  /** Next nonces of the senders whose transactions were admitted. */
  readonly admitted: ReadonlyMap<Address, number>;
  /** What each validator's core has to do for it, by operation of the cost table. */
  readonly work: ReadonlyMap<string, number>;
  /** Hash of state root, outbox and admissions: what validators must agree on. */
  readonly digest: string;
}

/** What a replica is made of. */
export interface ReplicaParts {
  readonly protocol: Protocol;
  readonly chain: ChainInfo;
  readonly topology: Topology;
  readonly genesis: LedgerState;
  readonly execution: ExecutionContext;
  /** Room of the blocks that messages have to fit in. */
  readonly limits: BlockLimits;
}

/** A replica's state at some height; give it to `Replica.from`. */
export interface ReplicaSnapshot {
  readonly ledger: LedgerState;
  readonly state: ChainState;
  /** Sequence of the last batch sent to each chain. */
  readonly sent: readonly number[];
}

/** Messages that one batch holds at most, so that a block can take in a part of what comes. */
const BATCH_MESSAGES_MAX = 128;
/** A batch has at most this share of the bytes of a block, or one message. */
const BATCH_BYTES_SHARE = 0.25;

/** The replicated state machine of one chain: blocks in, new state and messages out. */
export class Replica {
  readonly #parts: ReplicaParts;
  readonly #sent: number[];
  #ledger: LedgerState;
  readonly #state: ChainState;

  constructor(parts: ReplicaParts, from?: ReplicaSnapshot) {
    const { protocol, chain, topology, genesis } = parts;
    this.#parts = parts;
    this.#ledger = from?.ledger ?? genesis;
    this.#state =
      from === undefined ? protocol.createState(chain, topology) : copyState(from.state);
    this.#sent = [...(from?.sent ?? topology.chains.map(() => 0))];
  }

  get ledger(): LedgerState {
    return this.#ledger;
  }

  /** The protocol's own state; changes with the next block. */
  get state(): ChainState {
    return this.#state;
  }

  /** The present state, for another replica to go on from. */
  snapshot(): ReplicaSnapshot {
    return { ledger: this.#ledger, state: copyState(this.#state), sent: [...this.#sent] };
  }

  /** Executes the next block. */
  execute(block: Block, record: BlockRecorder): ExecutedBlock {
    const { protocol, chain } = this.#parts;
    const { height, timestampMs } = block.header;
    const { inbox, notes, transactions } = contentOf(block);
    const draft = this.#ledger.draft();
    const context = new BlockExecution(this.#parts, this.#state, draft, block, record);
    protocol.onBlock?.(context);
    for (const { batch } of inbox) {
      batch.messages.forEach((message, i) => {
        context.charge("message");
        record.enterMessage(batch, i);
        protocol.onCrossMessage(context, message, batch.from);
      });
    }
    for (const note of notes) {
      context.charge("message");
      protocol.onNote?.(context, note);
    }
    transactions.forEach((transaction, index) => {
      context.charge("transaction");
      record.enterTransaction(transaction, context.placeOf(index));
      protocol.onTransaction(context, transaction, index);
    });
    protocol.onCommit?.(context);
    context.charge("update", draft.writtenCount);
    this.#ledger = draft.commit();
    const outbox = makeOutbox(chain.id, height, this.#batchesOf(context.sent));
    const { admitted, work } = context;
    const digest = digestOf(this.#ledger, outbox, admitted);
    const { id: blockId } = block;
    return { height, blockId, timestampMs, ledger: this.#ledger, outbox, admitted, work, digest };
  }

  #batchesOf(sent: ReadonlyMap<ChainId, readonly CrossMessage[]>): Batch[] {
    const from = this.#parts.chain.id;
    const batches: Batch[] = [];
    for (const [to, messages] of [...sent].sort(([one], [other]) => one - other)) {
      for (const some of this.#cut(messages)) {
        const sequence = (this.#sent[to] as number) + 1;
        this.#sent[to] = sequence;
        batches.push(makeBatch({ from, to, sequence }, some));
      }
    }
    return batches;
  }

  /** Messages in pieces that fit into a block with others. */
  #cut(messages: readonly CrossMessage[]): CrossMessage[][] {
    const { itemsMax, bytesMax } = this.#parts.limits;
    const countMax = Math.min(BATCH_MESSAGES_MAX, itemsMax);
    const pieces: CrossMessage[][] = [];
    let piece: CrossMessage[] = [];
    let bytes = 0;
    for (const message of messages) {
      const size = messageBytes(message);
      const isFull = piece.length === countMax || bytes + size > BATCH_BYTES_SHARE * bytesMax;
      if (isFull && piece.length > 0) {
        pieces.push(piece);
        piece = [];
        bytes = 0;
      }
      piece.push(message);
      bytes += size;
    }
    pieces.push(piece);
    return pieces;
  }
}

function digestOf(
  ledger: LedgerState,
  outbox: Outbox,
  admitted: ReadonlyMap<Address, number>,
): string {
  const nonces = Array.from(admitted, ([sender, nonce]) => `${sender}:${nonce}`).join(",");
  return hash("sha256", `${ledger.rootHex}|${outbox.root}|${nonces}`);
}

/** The context of one block's hooks. */
class BlockExecution implements ChainContext {
  readonly chain: ChainInfo;
  readonly topology: Topology;
  readonly state: ChainState;
  readonly ledger: StateDraft;
  readonly execution: ExecutionContext;
  readonly record: BlockRecorder;
  readonly height: number;
  readonly timestampMs: number;
  readonly proposer: number;
  readonly sent = new Map<ChainId, CrossMessage[]>();
  readonly admitted = new Map<Address, number>();
  readonly work = new Map<string, number>();

  constructor(
    { chain, topology, execution }: ReplicaParts,
    state: ChainState,
    ledger: StateDraft,
    { header }: Block,
    record: BlockRecorder,
  ) {
    this.chain = chain;
    this.topology = topology;
    this.state = state;
    this.ledger = ledger;
    this.execution = execution;
    this.record = record;
    this.height = header.height;
    this.timestampMs = header.timestampMs;
    this.proposer = header.proposer;
  }

  placeOf(index: number): ProcessedPlace {
    const { timestampMs, height } = this;
    return { timestampMs, shard: this.chain.id, height, index };
  }

  admit(transaction: Transaction): FailureReason | undefined {
    const refusal = admit(this.ledger, transaction);
    if (refusal !== undefined) return refusal;
    this.admitted.set(transaction.sender, transaction.nonce + 1);
    this.record.admitted(transaction);
    return undefined;
  }

  send(to: ChainId, message: CrossMessage): void {
    const messages = this.sent.get(to);
    if (messages !== undefined) {
      messages.push(message);
      return;
    }
    if (this.topology.chains[to] === undefined) {
      throw new ShardChainError(`${this.chain.name} sent a message to chain ${to}, which is none`, {
        code: "UNKNOWN_NAME",
        what: "chain",
        name: String(to),
        known: this.topology.chains.map(({ name }) => name),
      });
    }
    this.sent.set(to, [message]);
  }

  charge(operation: string, count = 1): void {
    if (count > 0) this.work.set(operation, (this.work.get(operation) ?? 0) + count);
  }
}
