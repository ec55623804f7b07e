import type { TransactionId } from "../ledger/transaction.ts";
import type { Ending } from "../measurement/run-meter.ts";
import type { ChainId } from "../protocol/chain.ts";

/** A stay of a transaction on a chain: the block that took it in, or a message about it. */
export interface Visit {
  readonly chain: ChainId;
  /** The message's kind, or `transaction`. */
  readonly what: string;
  readonly proposedMs: number;
  readonly committedMs: number;
}

/** The way of one transaction. */
export interface Journey {
  readonly txId: TransactionId;
  readonly arrivedMs: number;
  readonly visits: readonly Visit[];
  readonly end: { readonly chain: ChainId; readonly ending: Ending; readonly atMs: number };
}

/** Journeys kept of a run. */
const KEPT_MAX = 8;

/** Follows the first few cross-shard transactions of a run until as many have ended. */
export class Journeys {
  readonly #under = new Map<TransactionId, { arrivedMs: number; visits: Visit[] }>();
  readonly #ended: Journey[] = [];

  /** Those that have ended, in that order. */
  get ended(): readonly Journey[] {
    return this.#ended;
  }

  arrive(txId: TransactionId, arrivedMs: number): void {
    if (this.#under.size + this.#ended.length < KEPT_MAX) {
      this.#under.set(txId, { arrivedMs, visits: [] });
    }
  }

  visit(
    txId: TransactionId,
    chain: ChainId,
    what: string,
    times: { readonly proposedMs: number; readonly committedMs: number },
  ): void {
    if (this.#under.size === 0) return;
    const { proposedMs, committedMs } = times;
    this.#under.get(txId)?.visits.push({ chain, what, proposedMs, committedMs });
  }

  end(txId: TransactionId, chain: ChainId, ending: Ending, atMs: number): void {
    if (this.#under.size === 0) return;
    const journey = this.#under.get(txId);
    if (journey === undefined) return;
    this.#under.delete(txId);
    this.#ended.push({ txId, ...journey, end: { chain, ending, atMs } });
  }
}
