import { hash } from "node:crypto";
import type { Block, BlockHeader, Certificate, Payload, Vote } from "../node/block.ts";

/** Hash of a header: what votes are for. */
export function blockIdOf(header: BlockHeader): string {
  return hash(
    "sha256",
    [
      "block",
      header.chainId,
      header.height,
      header.round,
      header.proposer,
      header.parentId,
      header.timestampMs,
      header.payloadDigest,
      header.justifyDigest,
    ].join("|"),
  );
}

/** Digest of no certificate: that of the first block. */
const NO_CERTIFICATE = "none";

const digests = new WeakMap<Certificate, string>();

/** Hash of a certificate with every vote in it. */
export function certificateDigest(certificate: Certificate | undefined): string {
  if (certificate === undefined) return NO_CERTIFICATE;
  let digest = digests.get(certificate);
  if (digest === undefined) {
    const votes = certificate.votes.map(
      ({ validator, justifyRound, timestampMs, signature }) =>
        `${validator},${justifyRound},${timestampMs},${Buffer.from(signature).toString("base64")}`,
    );
    const { kind, height, round, blockId } = certificate;
    digest = hash("sha256", ["certificate", kind, height, round, blockId, ...votes].join("|"));
    digests.set(certificate, digest);
  }
  return digest;
}

/** A block of a header's fields; digests and id are computed here. */
export function makeBlock(
  fields: Omit<BlockHeader, "payloadDigest" | "justifyDigest">,
  payload: Payload,
  justify: Certificate | undefined,
): Block {
  const header: BlockHeader = {
    ...fields,
    payloadDigest: payload.digest,
    justifyDigest: certificateDigest(justify),
  };
  return { id: blockIdOf(header), header, payload, justify };
}

const sound = new WeakSet<Block>();

/** Whether id, header, payload digest and certificate of a block belong together. */
export function isSoundBlock(block: Block): boolean {
  if (sound.has(block)) return true;
  const { header, payload, justify } = block;
  const isSound =
    blockIdOf(header) === block.id &&
    payload.digest === header.payloadDigest &&
    certificateDigest(justify) === header.justifyDigest;
  if (isSound) sound.add(block);
  return isSound;
}

/** What a validator signs to vote. The chain's name keeps it from counting on another chain. */
export function voteStatement(chainId: string, vote: Omit<Vote, "signature">): string {
  const { kind, height, round, blockId, justifyRound, timestampMs, validator } = vote;
  return [chainId, kind, height, round, blockId, justifyRound, timestampMs, validator].join("|");
}

/** What a proposer signs. `extra` is the valid round in Tendermint, -1 elsewhere. */
export function proposalStatement(
  chainId: string,
  proposal: { height: number; round: number; blockId: string; extra: number },
): string {
  const { height, round, blockId, extra } = proposal;
  return [chainId, "proposal", height, round, blockId, extra].join("|");
}

/**
 * The agreed time of a block: the median of its parent's votes, weighted by power, and at least
 * 1 ms after the parent's own.
 */
export function agreedTimeMs(
  justify: Certificate | undefined,
  parentTimeMs: number,
  powerOf: (validator: number) => number,
): number {
  if (justify === undefined) return parentTimeMs + 1;
  const votes = [...justify.votes].sort((a, b) => a.timestampMs - b.timestampMs);
  const total = votes.reduce((sum, { validator }) => sum + powerOf(validator), 0);
  let power = 0;
  for (const { timestampMs, validator } of votes) {
    power += powerOf(validator);
    if (2 * power > total) return Math.max(parentTimeMs + 1, timestampMs);
  }
  return parentTimeMs + 1;
}
