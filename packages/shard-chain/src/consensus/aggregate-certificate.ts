import { aggregateBls, verifyAggregateBls } from "../crypto/bls.ts";
import type { Certificate, Vote } from "../node/block.ts";
import type { Committee } from "../node/committee.ts";
import { voteStatement } from "./block-id.ts";

/** A certificate of BLS votes with one signature for all: what a light client needs. */
export interface AggregateCertificate extends Omit<Certificate, "votes"> {
  /** By rising validator; their statements follow from these. */
  readonly ballots: readonly Omit<Vote, "signature">[];
  readonly signature: Uint8Array;
}

/** Puts the signatures of a checked certificate of BLS votes together. */
export function aggregateCertificate(certificate: Certificate): AggregateCertificate {
  const { votes, ...subject } = certificate;
  const ballots = votes.map(({ signature: _, ...ballot }) => ballot);
  return { ...subject, ballots, signature: aggregateBls(votes.map((vote) => vote.signature)) };
}

/** Whether distinct validators with a quorum of the power have signed; safe on any certificate. */
export function isAggregateCertificate(
  committee: Committee,
  { kind, height, round, blockId, ballots, signature }: AggregateCertificate,
): boolean {
  if (ballots.length > committee.size) return false;
  let last = -1;
  for (const ballot of ballots) {
    const isItsOwn =
      ballot.kind === kind &&
      ballot.height === height &&
      ballot.round === round &&
      ballot.blockId === blockId;
    if (!isItsOwn || ballot.validator <= last || !Number.isFinite(ballot.timestampMs)) return false;
    last = ballot.validator;
  }
  if (committee.powerOfAll(ballots.map(({ validator }) => validator)) < committee.quorumPower) {
    return false;
  }
  const signed = ballots.flatMap((ballot) => {
    const publicKey = committee.validators[ballot.validator]?.publicKey;
    return publicKey ? [{ publicKey, statement: voteStatement(committee.chainId, ballot) }] : [];
  });
  return signed.length === ballots.length && verifyAggregateBls(signed, signature);
}
