import type { Address } from "../ledger/address.ts";
import { accountIn, type LedgerState } from "../ledger/state.ts";
import type { TransactionId } from "../ledger/transaction.ts";
import type { Block } from "../node/block.ts";
import type { ChainId } from "../protocol/chain.ts";
import { STATES_KEPT } from "../protocol/node-duty.ts";
import { contentOf } from "./block-content.ts";
import type { ExecutedBlock } from "./replica.ts";

/** What a final block left to know. */
interface FinalBlock {
  readonly payloadDigest: string;
  readonly stateRoot: string;
}

/** Final blocks that are looked back at. */
const BLOCKS_KEPT = 32;

/**
 * What a chain has taken in so far: which transactions and notes, and how far it has come with the
 * batches of each other chain. Follows from the final blocks alone, so that validators of one
 * process may share it; it may then be ahead of one of them.
 */
export class ChainView {
  readonly #included = new Set<TransactionId>();
  readonly #notes = new Set<string>();
  readonly #taken: number[];
  readonly #final = new Map<number, FinalBlock>();
  /** The newest states, by height; old ones hold on to much. */
  readonly #ledgers = new Map<number, LedgerState>();
  #height = 0;
  #timestampMs = 0;
  #ledger: LedgerState;

  constructor(chains: number, genesis: LedgerState) {
    this.#taken = Array.from({ length: chains }, () => 0);
    this.#ledger = genesis;
    this.#final.set(0, { payloadDigest: "", stateRoot: genesis.rootHex });
  }

  /** Height of the newest final block. */
  get height(): number {
    return this.#height;
  }

  /** Agreed time of the newest final block; 0 before the first. */
  get timestampMs(): number {
    return this.#timestampMs;
  }

  /** The state after the newest final block. */
  get ledger(): LedgerState {
    return this.#ledger;
  }

  /**
   * A final block has been executed. Those it knows have no effect.
   *
   * @returns transactions that an earlier block had: no correct validator votes for such a block
   */
  advance(block: Block, executed: ExecutedBlock): TransactionId[] {
    if (executed.height !== this.#height + 1) return [];
    const { inbox, notes, transactions } = contentOf(block);
    const repeated: TransactionId[] = [];
    for (const { id } of transactions) {
      if (this.#included.has(id)) repeated.push(id);
      this.#included.add(id);
    }
    for (const { id } of notes) this.#notes.add(id);
    for (const { batch } of inbox) this.#taken[batch.from] = batch.sequence;
    this.#height = executed.height;
    this.#timestampMs = executed.timestampMs;
    this.#ledger = executed.ledger;
    this.#final.set(executed.height, {
      payloadDigest: block.payload.digest,
      stateRoot: executed.ledger.rootHex,
    });
    this.#final.delete(executed.height - BLOCKS_KEPT);
    this.#ledgers.set(executed.height, executed.ledger);
    this.#ledgers.delete(executed.height - STATES_KEPT);
    return repeated;
  }

  isIncluded(id: TransactionId): boolean {
    return this.#included.has(id);
  }

  isNoteIncluded(id: string): boolean {
    return this.#notes.has(id);
  }

  /** Sequence of the last batch of a chain that was taken in. */
  takenFrom(chain: ChainId): number {
    return this.#taken[chain] ?? 0;
  }

  /** The next nonce that will be admitted. */
  nextNonce(sender: Address): number {
    return accountIn(this.#ledger, sender).nonce;
  }

  /** State root after a block, in hex; undefined when unknown or long ago. */
  stateRootAt(height: number): string | undefined {
    return this.#final.get(height)?.stateRoot;
  }

  /** Digest of a final block's payload; undefined when unknown or long ago. */
  payloadDigestAt(height: number): string | undefined {
    return this.#final.get(height)?.payloadDigest;
  }

  /** State after one of the newest blocks. */
  ledgerAt(height: number): LedgerState | undefined {
    return height === this.#height ? this.#ledger : this.#ledgers.get(height);
  }
}
