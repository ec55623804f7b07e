import type { PbftViewChange } from "../consensus/pbft-messages.ts";
import { NIL_ID, type Vote } from "../node/block.ts";
import type { Committee } from "../node/committee.ts";
import type { ConsensusName } from "../node/consensus.ts";
import type { SignedProposal, Statements } from "./statements.ts";

/** Why a validator is guilty, with the signed statements that show it. */
export type Evidence =
  /** Two votes for one round (view) that no correct validator signs both. Complete in itself. */
  | { readonly kind: "double-vote"; readonly first: Vote; readonly second: Vote }
  /** Two blocks proposed in one round (view). Complete in itself. */
  | {
      readonly kind: "double-proposal";
      readonly first: SignedProposal;
      readonly second: SignedProposal;
    }
  /**
   * Tendermint: precommitted a block, and prevoted another in a later round, though nobody holds
   * the quorum of prevotes between that alone would have freed it.
   */
  | { readonly kind: "amnesia"; readonly precommit: Vote; readonly prevote: Vote }
  /** Precommitted (committed) a block for which nobody holds the quorum of prevotes (prepares). */
  | { readonly kind: "unfounded-commit"; readonly vote: Vote }
  /**
   * HotStuff: the first vote locked a block of `lockedView`; the second, of a later view, is for a
   * block whose certificate is older, so it cannot follow the locked one. Complete in itself with
   * the two votes' blocks.
   */
  | {
      readonly kind: "broken-lock";
      readonly first: Vote;
      readonly second: Vote;
      readonly lockedView: number;
    }
  /** PBFT: committed, so had prepared, and later asked for a view without telling. Complete. */
  | {
      readonly kind: "hidden-prepare";
      readonly commit: Vote;
      readonly viewChange: PbftViewChange;
    };

/** A guilty validator. */
export interface Culprit {
  readonly validator: number;
  readonly power: number;
  readonly evidence: readonly Evidence[];
}

/** Who is to blame for a fork. */
export interface AccountabilityReport {
  readonly culprits: readonly Culprit[];
  /** Power of all culprits. */
  readonly power: number;
  readonly totalPower: number;
  /** Whether the culprits have at least a third of the power, as after every fork they should. */
  readonly isAttributed: boolean;
  /** Why not, where they have less. */
  readonly reason: string | undefined;
}

/**
 * Names validators that broke the rules, from signed statements alone. Correct validators hand in
 * all they have received; then no correct validator is ever named, and after a fork with less than
 * two thirds of faulty power the named ones have at least a third.
 *
 * @see Tendermint specification, fork accountability; Sheng et al. 2021, BFT Protocol Forensics,
 *      for HotStuff with the view in the vote and for PBFT
 */
export function findCulprits(
  consensus: ConsensusName,
  committee: Committee,
  statements: Statements,
): AccountabilityReport {
  const evidence = new Map<number, Evidence[]>();
  const accuse = (validator: number, found: Evidence) => {
    evidence.set(validator, [...(evidence.get(validator) ?? []), found]);
  };
  findDoubleVotes(consensus, statements, accuse);
  findDoubleProposals(consensus, statements, accuse);
  if (consensus === "hotstuff") findBrokenLocks(statements, accuse);
  else findUnfoundedCommits(committee, statements, accuse);
  if (consensus === "tendermint") findAmnesia(committee, statements, accuse);
  if (consensus === "pbft") findHiddenPrepares(statements, accuse);
  const culprits = [...evidence]
    .map(([validator, list]) => ({
      validator,
      power: committee.powerOf(validator),
      evidence: list,
    }))
    .sort((a, b) => a.validator - b.validator);
  const power = committee.powerOfAll(evidence.keys());
  const isAttributed = 3 * power >= committee.totalPower;
  const reason = isAttributed
    ? undefined
    : `not attributable: the statements at hand convict ${power} of ${committee.totalPower} ` +
      "power; blocks or votes of the views between the conflicting ones were not handed in";
  return { culprits, power, totalPower: committee.totalPower, isAttributed, reason };
}

type Accuse = (validator: number, evidence: Evidence) => void;

function findDoubleVotes(consensus: ConsensusName, { votes }: Statements, accuse: Accuse): void {
  const first = new Map<string, Vote>();
  for (const vote of votes) {
    const { kind, height, round, validator } = vote;
    // In HotStuff views go on over heights.
    const key = [kind, consensus === "hotstuff" ? "" : height, round, validator].join("|");
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, vote);
    else if (earlier.blockId !== vote.blockId) {
      accuse(validator, { kind: "double-vote", first: earlier, second: vote });
    }
  }
}

function findDoubleProposals(
  consensus: ConsensusName,
  { proposals }: Statements,
  accuse: Accuse,
): void {
  const first = new Map<string, SignedProposal>();
  for (const proposal of proposals) {
    const { height, round, validator } = proposal;
    const key = [consensus === "hotstuff" ? "" : height, round, validator].join("|");
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, proposal);
    else if (earlier.blockId !== proposal.blockId) {
      accuse(validator, { kind: "double-proposal", first: earlier, second: proposal });
    }
  }
}

/** Power of the votes of a kind for a block, by `height/round/blockId`. */
function powers(committee: Committee, votes: readonly Vote[], kind: Vote["kind"]) {
  const voters = new Map<string, Set<number>>();
  for (const vote of votes) {
    if (vote.kind !== kind) continue;
    const key = `${vote.height}/${vote.round}/${vote.blockId}`;
    const set = voters.get(key) ?? new Set();
    voters.set(key, set.add(vote.validator));
  }
  return (height: number, round: number, blockId: string) =>
    committee.powerOfAll(voters.get(`${height}/${round}/${blockId}`) ?? []);
}

function findUnfoundedCommits(committee: Committee, { votes }: Statements, accuse: Accuse): void {
  const prevoted = powers(committee, votes, "prevote");
  const prepared = powers(committee, votes, "prepare");
  for (const vote of votes) {
    const { kind, height, round, blockId, validator } = vote;
    if ((kind !== "precommit" && kind !== "commit") || blockId === NIL_ID) continue;
    const powerOf = kind === "precommit" ? prevoted : prepared;
    if (powerOf(height, round, blockId) >= committee.quorumPower) continue;
    accuse(validator, { kind: "unfounded-commit", vote });
  }
}

function findAmnesia(committee: Committee, { votes }: Statements, accuse: Accuse): void {
  const powerOf = powers(committee, votes, "prevote");
  const isFreed = (prevote: Vote, fromRound: number) => {
    for (let round = fromRound; round < prevote.round; round++) {
      const power = powerOf(prevote.height, round, prevote.blockId);
      if (power >= committee.quorumPower) return true;
    }
    return false;
  };
  for (const [validator, cast] of votesByValidator(votes)) {
    const precommits = cast.filter((v) => v.kind === "precommit" && v.blockId !== NIL_ID);
    const prevotes = cast.filter((v) => v.kind === "prevote" && v.blockId !== NIL_ID);
    for (const precommit of precommits) {
      for (const prevote of prevotes) {
        const isLater = prevote.height === precommit.height && prevote.round > precommit.round;
        if (!isLater || prevote.blockId === precommit.blockId) continue;
        if (isFreed(prevote, precommit.round)) continue;
        accuse(validator, { kind: "amnesia", precommit, prevote });
      }
    }
  }
}

function findBrokenLocks({ votes, blocks }: Statements, accuse: Accuse): void {
  /** View of the block that a vote for `blockId` locks; undefined when blocks are missing. */
  const lockedBy = (blockId: string) => {
    const certified = blocks.get(blockId)?.justify?.blockId;
    if (certified === undefined) return undefined;
    return blocks.get(certified)?.justify?.round;
  };
  for (const [validator, cast] of votesByValidator(votes)) {
    const byView = cast.filter(({ kind }) => kind === "vote").sort((a, b) => a.round - b.round);
    let firm: { vote: Vote; lockedView: number } | undefined;
    for (const vote of byView) {
      const block = blocks.get(vote.blockId);
      const justifiedView = block === undefined ? undefined : (block.justify?.round ?? 0);
      if (firm !== undefined && justifiedView !== undefined && vote.round > firm.vote.round) {
        const { vote: first, lockedView } = firm;
        if (justifiedView < lockedView) {
          accuse(validator, { kind: "broken-lock", first, second: vote, lockedView });
        }
      }
      const lockedView = lockedBy(vote.blockId);
      if (lockedView !== undefined && lockedView > (firm?.lockedView ?? 0)) {
        firm = { vote, lockedView };
      }
    }
  }
}

function findHiddenPrepares({ votes, viewChanges }: Statements, accuse: Accuse): void {
  const commits = votes.filter(({ kind }) => kind === "commit");
  for (const viewChange of viewChanges) {
    const told = viewChange.prepared?.prepares.round ?? -1;
    for (const commit of commits) {
      const isHidden =
        commit.validator === viewChange.validator &&
        commit.height === viewChange.height &&
        commit.round < viewChange.view &&
        told < commit.round;
      if (isHidden) accuse(viewChange.validator, { kind: "hidden-prepare", commit, viewChange });
    }
  }
}

function votesByValidator(votes: readonly Vote[]): Map<number, Vote[]> {
  const found = new Map<number, Vote[]>();
  for (const vote of votes) found.set(vote.validator, [...(found.get(vote.validator) ?? []), vote]);
  return found;
}
