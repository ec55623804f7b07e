import type { Block, Certificate, Vote } from "../node/block.ts";
import type { BlocksMessage, StatusMessage } from "./chain.ts";

/** A validator gives a view up, and tells the highest certificate it knows. */
export interface HotStuffTimeout {
  readonly type: "timeout";
  readonly view: number;
  /** Undefined before any block was certified. */
  readonly highest: Certificate | undefined;
  readonly validator: number;
  readonly signature: Uint8Array;
}

/** A block of the view's leader. */
export interface HotStuffProposal {
  readonly type: "proposal";
  readonly block: Block;
  /** Unless the block's certificate is of the view before: a quorum that gave that view up. */
  readonly timeouts: readonly HotStuffTimeout[];
  readonly signature: Uint8Array;
}

/** A vote, sent to the leader of the next view. */
export interface HotStuffVote {
  readonly type: "vote";
  readonly vote: Vote;
}

/** Asks for the proposal of a block that another one follows. */
export interface HotStuffRequest {
  readonly type: "request";
  readonly blockId: string;
}

/** What HotStuff validators send each other. */
export type HotStuffMessage =
  | HotStuffProposal
  | HotStuffVote
  | HotStuffTimeout
  | HotStuffRequest
  | StatusMessage
  | BlocksMessage;

/** What a validator signs to give a view up. */
export function timeoutStatement(
  chainId: string,
  { view, highest, validator }: Omit<HotStuffTimeout, "type" | "signature">,
): string {
  return [chainId, "timeout", view, highest?.round ?? 0, highest?.blockId ?? "", validator].join(
    "|",
  );
}
