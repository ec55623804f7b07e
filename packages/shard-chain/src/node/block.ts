/** Content of a block that consensus carries without looking inside. Never changed once made. */
export interface Payload {
  /** Hash of the content's canonical encoding, lower-case hex; equal digests mean equal content. */
  readonly digest: string;
  /** Length of `PayloadCodec.encode`; the network model charges for it. */
  readonly sizeBytes: number;
  /** For the application that made it and nobody else. */
  readonly content: unknown;
}

/** How an application writes its payloads for real sockets. Not called in virtual time. */
export interface PayloadCodec {
  encode(payload: Payload): Uint8Array;
  /** The payload, its digest computed anew from `bytes`; undefined when they are none. */
  decode(bytes: Uint8Array): Payload | undefined;
}

/** What the hash of a block covers. Fields are the same in every consensus. */
export interface BlockHeader {
  /** The chain the block belongs to, e.g. `shard-3`; part of everything that is signed. */
  readonly chainId: string;
  /** 1 for the first block after genesis; one more than the parent's. */
  readonly height: number;
  /** Round (Tendermint) or view (HotStuff, PBFT) in which the block was made. */
  readonly round: number;
  /** Index in the committee of the validator that made the block. */
  readonly proposer: number;
  /** Id of the parent; `GENESIS_ID` for height 1. */
  readonly parentId: string;
  /**
   * Agreed time: the median, weighted by power, of the times in the votes that certify the parent,
   * and at least 1 ms after the parent's. Below a third of faulty power it lies between times of
   * correct validators. This is the time to order by; in virtual time it is virtual.
   */
  readonly timestampMs: number;
  readonly payloadDigest: string;
  /** Hash of the certificate of the parent that the block carries. */
  readonly justifyDigest: string;
}

/** A proposed block. */
export interface Block {
  /** SHA-256 of the header, lower-case hex. */
  readonly id: string;
  readonly header: BlockHeader;
  readonly payload: Payload;
  /** Certificate of the parent; undefined at height 1. */
  readonly justify: Certificate | undefined;
}

/** Id that stands for the parent of the first block. */
export const GENESIS_ID = "0".repeat(64);

/** `blockId` of a vote for no block. */
export const NIL_ID = "";

/** What a vote says; each consensus uses some of them. */
export type VoteKind = "prevote" | "precommit" | "vote" | "prepare" | "commit";

/** A signed statement of one validator about one block. */
export interface Vote {
  readonly kind: VoteKind;
  readonly height: number;
  /** Round or view of the vote. */
  readonly round: number;
  /** `NIL_ID` for a vote against every block of the round. */
  readonly blockId: string;
  /** HotStuff: view of the certificate that the block carries; -1 where a consensus has none. */
  readonly justifyRound: number;
  /** The voter's own clock. */
  readonly timestampMs: number;
  /** Index in the committee. */
  readonly validator: number;
  readonly signature: Uint8Array;
}

/** Votes of more than two thirds of the power for one block. */
export interface Certificate {
  readonly kind: VoteKind;
  readonly height: number;
  readonly round: number;
  readonly blockId: string;
  /** By rising validator index, each validator once. */
  readonly votes: readonly Vote[];
}

/**
 * Proof to anyone who knows the committee that a block is final: give it to `verifyCommit`.
 *
 * Tendermint and PBFT: the block's header and its precommits (commits). Chained HotStuff: the
 * headers from the block on to the end of a chain of three consecutive views, and the votes for the
 * last of them.
 */
export interface CommitProof {
  readonly headers: readonly BlockHeader[];
  readonly certificate: Certificate;
}

/** A final block, as an application gets it. */
export interface CommittedBlock {
  readonly block: Block;
  readonly proof: CommitProof;
}
