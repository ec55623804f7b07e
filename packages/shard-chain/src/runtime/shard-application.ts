import type { Application, PayloadPlace } from "../node/application.ts";
import type { Block, CommittedBlock, Payload } from "../node/block.ts";
import type { ChainId } from "../protocol/chain.ts";
import type { Note } from "../protocol/note.ts";
import type { CertifiedBatch } from "./batch.ts";
import {
  type BlockContent,
  type BlockLimits,
  bytesOf,
  contentOf,
  itemsOf,
  makePayload,
} from "./block-content.ts";
import type { ChainView } from "./chain-view.ts";
import type { Inbound } from "./inbound.ts";
import type { TransactionPool } from "./transaction-pool.ts";

/** What a validator proposes from and checks against. */
export interface ShardApplicationParts {
  readonly view: ChainView;
  readonly pool: TransactionPool;
  readonly inbound: Inbound;
  readonly notes: ReadonlyMap<string, Note>;
  readonly limits: BlockLimits;
  readonly chains: number;
  /** Checks a batch that this validator does not hold; charges for it. */
  isBatchValid(certified: CertifiedBatch): boolean;
  isNoteValid(note: Note): boolean;
  /** Whether a block may take in transactions now. */
  takesTransactions(): boolean;
  /** Clients' signatures that this validator has not checked before. */
  checkClients(count: number): void;
  onProposed?(payload: Payload): void;
  onDelivered(committed: CommittedBlock): void;
}

/** What blocks that are proposed but not final have taken already. */
interface Taken {
  readonly transactions: ReadonlySet<string>;
  readonly notes: ReadonlySet<string>;
  readonly from: readonly number[];
}

/** Turns a validator's mempool and inbound batches into blocks, and judges those of others. */
export class ShardApplication implements Application {
  readonly #parts: ShardApplicationParts;

  constructor(parts: ShardApplicationParts) {
    this.#parts = parts;
  }

  propose({ height, pending }: PayloadPlace): Payload {
    const { view, limits, inbound, pool, onProposed } = this.#parts;
    const stateRoot = view.stateRootAt(view.height) as string;
    const before = { executedHeight: view.height, stateRoot };
    // Others of the process have made this height final already: whatever is proposed is too late.
    const isLate = height <= view.height;
    const payload = isLate
      ? makePayload({ ...before, inbox: [], notes: [], transactions: [] })
      : makePayload({ ...before, ...this.#select(pending, limits, inbound, pool) });
    onProposed?.(payload);
    return payload;
  }

  validate(payload: Payload, { height, pending }: PayloadPlace): boolean {
    const { view, limits, pool, checkClients } = this.#parts;
    if (height <= view.height) return view.payloadDigestAt(height) === payload.digest;
    const content = payload.content as BlockContent;
    if (itemsOf(content) > limits.itemsMax || bytesOf(content) > limits.bytesMax) return false;
    if (view.stateRootAt(content.executedHeight) !== content.stateRoot) return false;
    const taken = this.#takenBy(pending);
    if (!this.#isInboxNext(content.inbox, taken)) return false;
    if (!this.#areNotesNew(content.notes, taken)) return false;
    const ids = new Set<string>();
    let unknown = 0;
    for (const { id } of content.transactions) {
      if (ids.has(id) || taken.transactions.has(id) || view.isIncluded(id)) return false;
      ids.add(id);
      if (!pool.has(id)) unknown++;
    }
    checkClients(unknown);
    return true;
  }

  deliver(committed: CommittedBlock): void {
    this.#parts.onDelivered(committed);
  }

  #select(
    pending: readonly Block[],
    { itemsMax, bytesMax }: BlockLimits,
    inbound: Inbound,
    pool: TransactionPool,
  ): Pick<BlockContent, "inbox" | "notes" | "transactions"> {
    const { view, chains } = this.#parts;
    const taken = this.#takenBy(pending);
    const room = { items: itemsMax, bytes: bytesMax };
    const first = view.height % chains;
    const inbox = inbound.select((chain) => taken.from[chain] ?? 0, first, room);
    const notes: Note[] = [];
    for (const note of this.#parts.notes.values()) {
      if (taken.notes.has(note.id) || room.items < 1 || note.sizeBytes > room.bytes) continue;
      room.items--;
      room.bytes -= note.sizeBytes;
      notes.push(note);
    }
    const transactions = pool.select({
      countMax: this.#parts.takesTransactions() ? room.items : 0,
      bytesMax: room.bytes,
      isPending: (id) => taken.transactions.has(id),
    });
    return { inbox, notes, transactions };
  }

  #isInboxNext(inbox: readonly CertifiedBatch[], { from }: Taken): boolean {
    const next = [...from];
    for (const certified of inbox) {
      const { from: sender, sequence } = certified.batch;
      if (sequence !== (next[sender] ?? Number.NaN) + 1) return false;
      next[sender] = sequence;
      if (!this.#parts.inbound.has(certified) && !this.#parts.isBatchValid(certified)) return false;
    }
    return true;
  }

  #areNotesNew(notes: readonly Note[], taken: Taken): boolean {
    const { view, isNoteValid } = this.#parts;
    const ids = new Set<string>();
    for (const note of notes) {
      if (ids.has(note.id) || taken.notes.has(note.id) || view.isNoteIncluded(note.id))
        return false;
      if (!this.#parts.notes.has(note.id) && !isNoteValid(note)) return false;
      ids.add(note.id);
    }
    return true;
  }

  #takenBy(pending: readonly Block[]): Taken {
    const { view, chains } = this.#parts;
    const transactions = new Set<string>();
    const notes = new Set<string>();
    const from = Array.from({ length: chains }, (_, chain: ChainId) => view.takenFrom(chain));
    for (const block of pending) {
      if (block.header.height <= view.height) continue;
      const content = contentOf(block);
      for (const { id } of content.transactions) transactions.add(id);
      for (const { id } of content.notes) notes.add(id);
      for (const { batch } of content.inbox) from[batch.from] = batch.sequence;
    }
    return { transactions, notes, from };
  }
}
