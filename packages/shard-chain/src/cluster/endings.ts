import type { TransactionId } from "../ledger/transaction.ts";
import type { ChainId } from "../protocol/chain.ts";
import type { BlockReport } from "./cluster-messages.ts";

interface Progress {
  parts: number | undefined;
  settled: number;
}

/**
 * Which transactions have ended, by what validators report of blocks: decided, and every part
 * settled. The first report of a block counts.
 */
export class Endings {
  readonly #seen = new Set<string>();
  readonly #open = new Map<TransactionId, Progress>();
  readonly #ended = new Set<TransactionId>();

  get count(): number {
    return this.#ended.size;
  }

  has(txId: TransactionId): boolean {
    return this.#ended.has(txId);
  }

  add(chain: ChainId, { height, decided, settled }: BlockReport): void {
    const block = `${chain}/${height}`;
    if (this.#seen.has(block)) return;
    this.#seen.add(block);
    for (const [txId, parts] of decided) {
      this.#look(txId, (progress) => {
        progress.parts ??= parts;
      });
    }
    for (const txId of settled) {
      this.#look(txId, (progress) => {
        progress.settled++;
      });
    }
  }

  #look(txId: TransactionId, change: (progress: Progress) => void): void {
    if (this.#ended.has(txId)) return;
    const progress = this.#open.get(txId) ?? { parts: undefined, settled: 0 };
    change(progress);
    this.#open.set(txId, progress);
    if (progress.parts === undefined || progress.settled < progress.parts) return;
    this.#open.delete(txId);
    this.#ended.add(txId);
  }
}
