import type { Block, Certificate, Vote } from "../node/block.ts";
import type { BlocksMessage, StatusMessage } from "./chain.ts";

/** What a validator has prepared at a height: the block and a quorum of prepares for it. */
export interface PreparedBlock {
  readonly block: Block;
  readonly prepares: Certificate;
}

/** VIEW-CHANGE: a validator asks for a view and tells what it has prepared. */
export interface PbftViewChange {
  readonly type: "view-change";
  readonly height: number;
  readonly view: number;
  readonly prepared: PreparedBlock | undefined;
  readonly validator: number;
  readonly signature: Uint8Array;
}

/** PRE-PREPARE; with view changes it is the NEW-VIEW of its view too. */
export interface PbftPrePrepare {
  readonly type: "pre-prepare";
  readonly height: number;
  readonly view: number;
  readonly block: Block;
  /** Empty in view 0; else a quorum that asked for this view or a later one. */
  readonly viewChanges: readonly PbftViewChange[];
  readonly primary: number;
  readonly signature: Uint8Array;
}

/** PREPARE or COMMIT. */
export interface PbftVote {
  readonly type: "vote";
  readonly vote: Vote;
}

/** What PBFT validators send each other. */
export type PbftMessage =
  | PbftPrePrepare
  | PbftVote
  | PbftViewChange
  | StatusMessage
  | BlocksMessage;

/** What a validator signs to ask for a view. */
export function viewChangeStatement(
  chainId: string,
  { height, view, prepared, validator }: Omit<PbftViewChange, "type" | "signature">,
): string {
  const { round = -1, blockId = "" } = prepared?.prepares ?? {};
  return [chainId, "view-change", height, view, round, blockId, validator].join("|");
}
