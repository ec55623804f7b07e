import type { ChainId } from "../protocol/chain.ts";
import type { CertifiedBatch } from "./batch.ts";
import type { ChainView } from "./chain-view.ts";

/** Batches further ahead than this of the next one wanted are not kept. */
const AHEAD_MAX = 4_096;

/** The certified batches of other chains that a validator holds and its chain has not taken in. */
export class Inbound {
  readonly #view: ChainView;
  /** By sending chain: batches by sequence. */
  readonly #held: Map<number, CertifiedBatch>[];
  /** By sending chain: the highest sequence that is known to exist. */
  readonly #heads: number[];

  constructor(view: ChainView, chains: number) {
    this.#view = view;
    this.#held = Array.from({ length: chains }, () => new Map());
    this.#heads = Array.from({ length: chains }, () => 0);
  }

  /** Whether a batch is neither held nor taken in, and near enough to be wanted. */
  isWanted(from: ChainId, sequence: number): boolean {
    const taken = this.#view.takenFrom(from);
    const held = this.#held[from];
    if (held === undefined || !Number.isSafeInteger(sequence)) return false;
    return sequence > taken && sequence <= taken + AHEAD_MAX && !held.has(sequence);
  }

  /** Keeps a batch that was checked. */
  add(certified: CertifiedBatch): void {
    const { from, sequence } = certified.batch;
    this.#held[from]?.set(sequence, certified);
    this.learnHead(from, sequence);
  }

  /** A chain has sent batches up to this one. */
  learnHead(from: ChainId, sequence: number): void {
    this.#heads[from] = Math.max(this.#heads[from] ?? 0, sequence);
  }

  has({ batch }: CertifiedBatch): boolean {
    return this.#held[batch.from]?.get(batch.sequence)?.batch.digest === batch.digest;
  }

  /** The first batch of a chain that exists and is missing; undefined when none is. */
  firstMissing(from: ChainId): number | undefined {
    const head = this.#heads[from] ?? 0;
    const held = this.#held[from];
    for (let sequence = this.#view.takenFrom(from) + 1; sequence <= head; sequence++) {
      if (held?.has(sequence) !== true) return sequence;
    }
    return undefined;
  }

  /**
   * Batches for a block, each chain's in order without gaps, chains in turn.
   *
   * @param takenFrom sequence of the last batch of a chain before that block
   * @param first the chain whose turn it is, so that none is always last
   */
  select(
    takenFrom: (chain: ChainId) => number,
    first: ChainId,
    room: { items: number; bytes: number },
  ): CertifiedBatch[] {
    const chosen: CertifiedBatch[] = [];
    const chains = this.#held.length;
    const next = this.#held.map((_, chain) => takenFrom(chain) + 1);
    let isStuck = false;
    while (!isStuck) {
      isStuck = true;
      for (let i = 0; i < chains; i++) {
        const chain = (first + i) % chains;
        const certified = this.#held[chain]?.get(next[chain] as number);
        if (certified === undefined) continue;
        const { sizeBytes, batch } = certified;
        if (batch.messages.length > room.items || sizeBytes > room.bytes) continue;
        room.items -= batch.messages.length;
        room.bytes -= sizeBytes;
        next[chain] = (next[chain] as number) + 1;
        chosen.push(certified);
        isStuck = false;
      }
    }
    return chosen.sort((one, other) => one.batch.from - other.batch.from || bySequence(one, other));
  }

  /** Lets go what the chain has taken in. */
  forget(taken: readonly CertifiedBatch[]): void {
    for (const { batch } of taken) this.#held[batch.from]?.delete(batch.sequence);
  }
}

function bySequence(one: CertifiedBatch, other: CertifiedBatch): number {
  return one.batch.sequence - other.batch.sequence;
}
