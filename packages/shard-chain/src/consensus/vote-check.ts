import type { SignatureScheme } from "../crypto/signatures.ts";
import type { BlockHeader, Certificate, CommitProof, Vote, VoteKind } from "../node/block.ts";
import type { Committee } from "../node/committee.ts";
import { blockIdOf, voteStatement } from "./block-id.ts";

/** Says that a check costs so many verifications, computed or not. */
export type ChargeVerify = (operation: string, count: number) => void;

/**
 * Checks signed statements against a committee. Results are remembered by object, so that in
 * virtual time, where messages go by reference, each signature is computed once in a run; every
 * check is charged all the same.
 */
export class VoteCheck {
  readonly committee: Committee;
  readonly scheme: SignatureScheme;
  readonly #charge: ChargeVerify;
  /** By object: signed by whom its key says. Shared by the checks of one committee. */
  readonly #memo: WeakMap<object, boolean>;

  constructor(
    committee: Committee,
    scheme: SignatureScheme,
    charge: ChargeVerify = () => undefined,
  ) {
    this.committee = committee;
    this.scheme = scheme;
    this.#charge = charge;
    this.#memo = memoOf(committee);
  }

  /** Whether `validator` signed `statement`; `object` is what carries both, never changed. */
  isSigned(object: object, validator: number, statement: string, signature: Uint8Array): boolean {
    this.#charge("verify", 1);
    return this.#remember(object, () => {
      const key = this.committee.validators[validator]?.publicKey;
      return key !== undefined && this.scheme.verify(key, statement, signature);
    });
  }

  /** Whether a vote is well formed and signed by its validator. */
  isVote(vote: Vote): boolean {
    this.#charge("verify", 1);
    return this.#isVoteUncharged(vote);
  }

  /** Whether a certificate holds valid votes of distinct validators with a quorum of power. */
  isCertificate(certificate: Certificate, kind: VoteKind): boolean {
    const { height, round, blockId, votes } = certificate;
    if (certificate.kind !== kind || votes.length > this.committee.size) return false;
    this.#charge("verify", votes.length);
    return this.#remember(certificate, () => {
      let power = 0;
      let last = -1;
      for (const vote of votes) {
        const fits =
          vote.kind === kind &&
          vote.height === height &&
          vote.round === round &&
          vote.blockId === blockId &&
          vote.validator > last;
        if (!fits) return false;
        last = vote.validator;
        power += this.committee.powerOf(vote.validator);
      }
      return power >= this.committee.quorumPower && this.#areVotes(votes);
    });
  }

  /**
   * Whether a proof shows that its first header's block is final on this committee's chain.
   *
   * @returns the id of the final block, undefined when the proof shows nothing
   */
  finalBlockId(proof: CommitProof): string | undefined {
    const { headers, certificate } = proof;
    const first = headers[0];
    const last = headers.at(-1);
    if (first === undefined || last === undefined) return undefined;
    if (headers.some(({ chainId }) => chainId !== this.committee.chainId)) return undefined;
    const ids = headers.map(blockIdOf);
    if (certificate.blockId !== ids.at(-1) || certificate.height !== last.height) return undefined;
    const isChain = certificate.kind === "vote";
    const isKind = isChain || certificate.kind === "precommit" || certificate.kind === "commit";
    if (!isKind || !this.isCertificate(certificate, certificate.kind)) return undefined;
    if (!isChain) return headers.length === 1 ? ids[0] : undefined;
    return isFinalChain(headers, ids) && certificate.round === last.round ? ids[0] : undefined;
  }

  /** All at once where the scheme can. */
  #areVotes(votes: readonly Vote[]): boolean {
    const fresh = votes.filter((vote) => this.#memo.get(vote) === undefined);
    if (this.scheme.verifyAll === undefined || fresh.length < 2) {
      return votes.every((vote) => this.#isVoteUncharged(vote));
    }
    if (votes.some((vote) => this.#memo.get(vote) === false)) return false;
    const signed = fresh.map((vote) => ({
      publicKey: this.committee.validators[vote.validator]?.publicKey ?? new Uint8Array(0),
      statement: voteStatement(this.committee.chainId, vote),
      signature: vote.signature,
    }));
    const areFinite = fresh.every(({ timestampMs }) => Number.isFinite(timestampMs));
    if (!areFinite || !this.scheme.verifyAll(signed)) return false;
    for (const vote of fresh) this.#memo.set(vote, true);
    return true;
  }

  #isVoteUncharged(vote: Vote): boolean {
    return this.#remember(vote, () => {
      const key = this.committee.validators[vote.validator]?.publicKey;
      const statement = voteStatement(this.committee.chainId, vote);
      return (
        key !== undefined &&
        Number.isFinite(vote.timestampMs) &&
        this.scheme.verify(key, statement, vote.signature)
      );
    });
  }

  #remember(object: object, check: () => boolean): boolean {
    let holds = this.#memo.get(object);
    if (holds === undefined) {
      holds = check();
      this.#memo.set(object, holds);
    }
    return holds;
  }
}

/** Each header the parent of the next, and the last three of consecutive views. */
function isFinalChain(headers: readonly BlockHeader[], ids: readonly string[]): boolean {
  if (headers.length < 3) return false;
  return headers.every((header, i) => {
    const parent = headers[i - 1];
    if (parent === undefined) return true;
    const isNext = header.parentId === ids[i - 1] && header.height === parent.height + 1;
    return isNext && (i < headers.length - 2 || header.round === parent.round + 1);
  });
}

const memos = new WeakMap<Committee, WeakMap<object, boolean>>();

function memoOf(committee: Committee): WeakMap<object, boolean> {
  let memo = memos.get(committee);
  if (memo === undefined) {
    memo = new WeakMap();
    memos.set(committee, memo);
  }
  return memo;
}
