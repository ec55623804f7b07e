import type { Certificate, Vote, VoteKind } from "../node/block.ts";
import type { Committee } from "../node/committee.ts";

/** Different votes of one validator that a tally keeps; more prove nothing new. */
const VOTES_KEPT = 4;

/**
 * Votes of one kind, height and round. A validator counts once for each block it votes for, as in
 * the papers' message logs, and once towards "any block".
 */
export class Tally {
  readonly #committee: Committee;
  readonly #byBlock = new Map<string, Map<number, Vote>>();
  readonly #powers = new Map<string, number>();
  readonly #byValidator = new Map<number, Vote[]>();
  #anyPower = 0;

  constructor(committee: Committee) {
    this.#committee = committee;
  }

  /**
   * Counts a checked vote.
   *
   * @returns `known` for one that was counted, else the validator's earlier vote for another block
   *          (proof of a double vote), else undefined
   */
  add(vote: Vote): "known" | Vote | undefined {
    const earlier = this.#byValidator.get(vote.validator) ?? [];
    if (earlier.some(({ blockId }) => blockId === vote.blockId)) return "known";
    if (earlier.length >= VOTES_KEPT) return earlier[0];
    const power = this.#committee.powerOf(vote.validator);
    if (earlier.length === 0) this.#anyPower += power;
    this.#byValidator.set(vote.validator, [...earlier, vote]);
    let votes = this.#byBlock.get(vote.blockId);
    if (votes === undefined) {
      votes = new Map();
      this.#byBlock.set(vote.blockId, votes);
    }
    votes.set(vote.validator, vote);
    this.#powers.set(vote.blockId, this.powerFor(vote.blockId) + power);
    return earlier[0];
  }

  has(validator: number, blockId: string): boolean {
    return this.#byBlock.get(blockId)?.has(validator) ?? false;
  }

  /** Power of the votes for a block (or for none, `NIL_ID`). */
  powerFor(blockId: string): number {
    return this.#powers.get(blockId) ?? 0;
  }

  /** Power of those who voted, for whatever. */
  get anyPower(): number {
    return this.#anyPower;
  }

  /** Every vote that was counted. */
  get votes(): Vote[] {
    return [...this.#byValidator.values()].flat();
  }

  get voters(): Iterable<number> {
    return this.#byValidator.keys();
  }

  /** The block of more than two thirds; undefined while there is none. */
  quorumBlock(): string | undefined {
    for (const [blockId, power] of this.#powers) {
      if (power >= this.#committee.quorumPower) return blockId;
    }
    return undefined;
  }

  /** The votes for a block as a certificate; call it only with a quorum. */
  certificate(kind: VoteKind, height: number, round: number, blockId: string): Certificate {
    const votes = [...(this.#byBlock.get(blockId)?.values() ?? [])];
    votes.sort((a, b) => a.validator - b.validator);
    return { kind, height, round, blockId, votes };
  }
}
