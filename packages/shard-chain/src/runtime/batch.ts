import { type Digest, digestToHex, sha256OfText } from "../ledger/hash.ts";
import { type ListProof, listRoot, proveItem, verifyItem } from "../ledger/merkle-list.ts";
import type { ChainId } from "../protocol/chain.ts";
import { type CrossMessage, messageBytes, messageText } from "../protocol/cross-message.ts";

/** Messages from one chain to another, sent by one block. Never changed once made. */
export interface Batch {
  readonly from: ChainId;
  readonly to: ChainId;
  /** Batches of a pair of chains are numbered from 1; none is missing, none comes twice. */
  readonly sequence: number;
  readonly messages: readonly CrossMessage[];
  /** Hash of all of it. */
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** All batches that a block sends. */
export interface Outbox {
  readonly chain: ChainId;
  readonly height: number;
  readonly batches: readonly Batch[];
  /** Merkle root over the batches' digests. */
  readonly root: Digest;
}

/** One validator's signature under an outbox. */
export interface Attestation {
  readonly validator: number;
  readonly signature: Uint8Array;
}

/**
 * Signatures of more than a third of a committee's power under one outbox: a correct validator has
 * executed that block and found these messages.
 */
export interface OutboxCertificate {
  readonly chain: ChainId;
  readonly height: number;
  readonly root: Digest;
  /** By rising validator, each once. */
  readonly attestations: readonly Attestation[];
}

/** A batch that anybody who knows the sending committee can check. */
export interface CertifiedBatch {
  readonly batch: Batch;
  readonly certificate: OutboxCertificate;
  /** Where the batch stands under the certificate's root. */
  readonly proof: ListProof;
  readonly sizeBytes: number;
}

/** Bytes of an attestation: a signature and an index. */
export const ATTESTATION_BYTES = 66;
const BATCH_HEADER_BYTES = 24;
const DIGEST_BYTES = 32;

/** Makes a batch. */
export function makeBatch(
  place: Pick<Batch, "from" | "to" | "sequence">,
  messages: readonly CrossMessage[],
): Batch {
  const text = messages.map(messageText).join("\n");
  const bytes = messages.reduce((sum, message) => sum + messageBytes(message), 0);
  const { from, to, sequence } = place;
  return {
    from,
    to,
    sequence,
    messages,
    digest: sha256OfText(`batch|${from}|${to}|${sequence}\n${text}`),
    sizeBytes: BATCH_HEADER_BYTES + bytes,
  };
}

/** The outbox of a block. */
export function makeOutbox(chain: ChainId, height: number, batches: readonly Batch[]): Outbox {
  return { chain, height, batches, root: listRoot(itemsOf(batches)) };
}

/** What validators sign to attest an outbox. */
export function outboxStatement(chainName: string, height: number, root: Digest): string {
  return `${chainName}|outbox|${height}|${digestToHex(root)}`;
}

/** Puts a batch of an outbox together with what proves it. */
export function certify(
  outbox: Outbox,
  index: number,
  certificate: OutboxCertificate,
): CertifiedBatch {
  const batch = outbox.batches[index] as Batch;
  const proof = proveItem(itemsOf(outbox.batches), index);
  const proofBytes = DIGEST_BYTES * (1 + proof.siblings.length);
  const sizeBytes =
    batch.sizeBytes + proofBytes + ATTESTATION_BYTES * certificate.attestations.length;
  return { batch, certificate, proof, sizeBytes };
}

/** Whether the batch stands under its certificate's root; says nothing about signatures. */
export function isUnderRoot({ batch, certificate, proof }: CertifiedBatch): boolean {
  return batch.from === certificate.chain && verifyItem(certificate.root, itemOf(batch), proof);
}

function itemsOf(batches: readonly Batch[]): Uint8Array[] {
  return batches.map(itemOf);
}

function itemOf({ digest }: Batch): Uint8Array {
  return Buffer.from(digest, "latin1");
}
