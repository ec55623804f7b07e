import type { Vote } from "../node/block.ts";
import type { VoteCheck } from "./vote-check.ts";

/** Two votes of one validator for one round, for different blocks. */
export interface DoubleVoteEvidence {
  readonly first: Vote;
  readonly second: Vote;
  /** Agreed time of the block before the votes' height; with the height it tells the age. */
  readonly timestampMs: number;
}

/** How old evidence may be; it is too old when both are exceeded. */
export interface EvidenceAge {
  readonly blocksMax: number;
  readonly timeMsMax: number;
}

/** Defaults of Tendermint 0.35: 100,000 blocks and 48 hours. */
export const TENDERMINT_EVIDENCE_AGE: EvidenceAge = {
  blocksMax: 100_000,
  timeMsMax: 48 * 3_600_000,
};

/** Bytes that one piece of evidence takes in a block: two votes and a time. */
export const EVIDENCE_BYTES = 2 * 150 + 8;

/**
 * Evidence that waits to be put into a block: valid, not too old, each committed once. The
 * application takes it first when it proposes, and punishes whom it names when it is delivered.
 *
 * @see Tendermint specification, evidence
 */
export class EvidencePool {
  readonly #check: VoteCheck;
  readonly #age: EvidenceAge;
  readonly #pending = new Map<string, DoubleVoteEvidence>();
  readonly #committed = new Map<string, DoubleVoteEvidence>();

  constructor(check: VoteCheck, age: EvidenceAge = TENDERMINT_EVIDENCE_AGE) {
    this.#check = check;
    this.#age = age;
  }

  /** Takes evidence from this validator's own tally or from another; false for none or known. */
  add(evidence: DoubleVoteEvidence, height: number, nowMs: number): boolean {
    const key = keyOf(evidence);
    if (this.#pending.has(key) || !this.isAcceptable(evidence, height, nowMs)) return false;
    this.#pending.set(key, evidence);
    return true;
  }

  /** Whether a block of `height` and agreed time `nowMs` may hold the evidence. */
  isAcceptable(evidence: DoubleVoteEvidence, height: number, nowMs: number): boolean {
    const { first, second } = evidence;
    const isDouble =
      first.kind === second.kind &&
      first.height === second.height &&
      first.round === second.round &&
      first.validator === second.validator &&
      // One order, so that a double vote is evidence once.
      first.blockId < second.blockId;
    if (!isDouble || first.height >= height || this.#committed.has(keyOf(evidence))) return false;
    if (this.#isTooOld(evidence, height, nowMs)) return false;
    return this.#check.isVote(first) && this.#check.isVote(second);
  }

  /** What to put into a block, oldest first, within so many bytes. */
  take(height: number, nowMs: number, bytesMax: number): DoubleVoteEvidence[] {
    for (const [key, evidence] of this.#pending) {
      if (this.#isTooOld(evidence, height, nowMs)) this.#pending.delete(key);
    }
    return [...this.#pending.values()]
      .filter(({ first }) => first.height < height)
      .sort((a, b) => a.first.height - b.first.height || (keyOf(a) < keyOf(b) ? -1 : 1))
      .slice(0, Math.floor(bytesMax / EVIDENCE_BYTES));
  }

  /** Evidence has become final in a block; it is never accepted again. */
  commit(evidence: readonly DoubleVoteEvidence[], height: number, nowMs: number): void {
    for (const one of evidence) {
      this.#pending.delete(keyOf(one));
      this.#committed.set(keyOf(one), one);
    }
    // What is too old is refused for its age; it need not be remembered.
    for (const [key, one] of this.#committed) {
      if (this.#isTooOld(one, height, nowMs)) this.#committed.delete(key);
    }
  }

  #isTooOld({ first, timestampMs }: DoubleVoteEvidence, height: number, nowMs: number): boolean {
    const { blocksMax, timeMsMax } = this.#age;
    return height - first.height > blocksMax && nowMs - timestampMs > timeMsMax;
  }
}

/** Evidence of a double vote in the order that blocks hold it. */
export function doubleVoteEvidence(a: Vote, b: Vote, timestampMs: number): DoubleVoteEvidence {
  const [first, second] = a.blockId < b.blockId ? [a, b] : [b, a];
  return { first, second, timestampMs };
}

function keyOf({ first }: DoubleVoteEvidence): string {
  return [first.kind, first.height, first.round, first.validator].join("|");
}
