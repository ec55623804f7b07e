import { voteStatement } from "../consensus/block-id.ts";
import type { ConsensusMessage } from "../consensus/consensus-node.ts";
import type { Signer } from "../crypto/signatures.ts";
import type { Block, Vote, VoteKind } from "../node/block.ts";

/** Who votes, and on which chain. */
export interface FalseVoter {
  readonly chainId: string;
  readonly validator: number;
  readonly signer: Signer;
}

/** Votes in every step for the block of a proposal; none for other messages. */
export function falseVotes(voter: FalseVoter, message: ConsensusMessage): Vote[] {
  if (message.type === "pre-prepare") {
    const { block, view } = message;
    return ["prepare", "commit"].map((kind) => signVote(voter, kind as VoteKind, block, view, -1));
  }
  if (message.type !== "proposal") return [];
  const { block } = message;
  if ("round" in message) {
    const { round } = message;
    const kinds: VoteKind[] = ["prevote", "precommit"];
    return kinds.map((kind) => signVote(voter, kind, block, round, -1));
  }
  const justifyRound = block.justify?.round ?? 0;
  return [signVote(voter, "vote", block, block.header.round, justifyRound)];
}

function signVote(
  { chainId, validator, signer }: FalseVoter,
  kind: VoteKind,
  { id, header }: Block,
  round: number,
  justifyRound: number,
): Vote {
  const { height, timestampMs } = header;
  const fields = { kind, height, round, blockId: id, justifyRound, validator };
  const vote = { ...fields, timestampMs: timestampMs + 1 };
  return { ...vote, signature: signer.sign(voteStatement(chainId, vote)) };
}
