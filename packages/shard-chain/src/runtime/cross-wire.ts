import type { Digest } from "../ledger/hash.ts";
import type { NodeMessage } from "../node/host.ts";
import type { ChainId } from "../protocol/chain.ts";
import { ATTESTATION_BYTES, type CertifiedBatch } from "./batch.ts";

/** What validators say about messages between chains. */
export type CrossWireMessage =
  /** To its own committee: I have executed that block, and it sends these batches. */
  | {
      readonly type: "attest";
      readonly height: number;
      readonly root: Digest;
      readonly validator: number;
      readonly signature: Uint8Array;
    }
  /** To a validator of the receiving chain. */
  | { readonly type: "batch"; readonly certified: CertifiedBatch }
  /** To a validator of a sending chain: `chain` misses that batch. */
  | { readonly type: "want"; readonly chain: ChainId; readonly sequence: number }
  /**
   * To a validator of another chain, now and then: `chain` has sent you batches up to `sent` and
   * has taken in yours up to `taken`. Signed by nobody: it can only cost a question.
   */
  | {
      readonly type: "heads";
      readonly chain: ChainId;
      readonly sent: number;
      readonly taken: number;
    };

/** Channel of these messages. */
export const CROSS_CHANNEL = "cross";

/** Numbers of a short message. */
const SHORT_BYTES = 24;

/** The message as the network carries it. */
export function crossWire(body: CrossWireMessage): NodeMessage {
  return { channel: CROSS_CHANNEL, sizeBytes: sizeOf(body), body };
}

function sizeOf(body: CrossWireMessage): number {
  if (body.type === "batch") return body.certified.sizeBytes;
  return body.type === "attest" ? SHORT_BYTES + 32 + ATTESTATION_BYTES : SHORT_BYTES;
}
