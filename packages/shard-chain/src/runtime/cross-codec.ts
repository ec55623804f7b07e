import { type ByteReader, ByteWriter, readBytes } from "../bytes/index.ts";
import { decodeTransaction, encodeTransaction } from "../ledger/make-transaction.ts";
import type { Transaction } from "../ledger/transaction.ts";
import type { MessageCodec } from "../node/host.ts";
import type { CrossMessage } from "../protocol/cross-message.ts";
import { makeNote, type Note } from "../protocol/note.ts";
import {
  ATTESTATION_BYTES,
  type CertifiedBatch,
  makeBatch,
  type OutboxCertificate,
} from "./batch.ts";
import type { CrossWireMessage } from "./cross-wire.ts";
import { readData, writeData } from "./data-codec.ts";

const DIGEST_BYTES = 32;
const TYPES = ["attest", "batch", "want", "heads"] as const satisfies CrossWireMessage["type"][];

/** Writes a transaction as one block of bytes. */
export function writeTransaction(writer: ByteWriter, transaction: Transaction): void {
  writer.bytes(encodeTransaction(transaction));
}

/** @throws ShardChainError `BAD_BYTES` */
export function readTransaction(reader: ByteReader): Transaction {
  return decodeTransaction(reader.bytes());
}

/** Writes a note with its signatures. */
export function writeNote(writer: ByteWriter, note: Note): void {
  writer.text(note.kind).uint(note.transactions.length);
  for (const transaction of note.transactions) writeTransaction(writer, transaction);
  writeData(writer, note.data);
  writer.uint(note.signatures.length);
  for (const { node, signature } of note.signatures) writer.uint(node).bytes(signature);
}

/** Reads a note; its id is computed anew. @throws ShardChainError `BAD_BYTES` */
export function readNote(reader: ByteReader): Note {
  const kind = reader.text();
  const transactions = reader.list(() => readTransaction(reader));
  const data = readData(reader);
  const signatures = reader.list(() => ({ node: reader.uint(), signature: reader.bytes() }));
  return makeNote({ kind, transactions, data }, signatures);
}

/** Writes a batch with what proves it. */
export function writeCertified(writer: ByteWriter, certified: CertifiedBatch): void {
  const { batch, certificate, proof } = certified;
  writer.uint(batch.from).uint(batch.to).uint(batch.sequence).uint(batch.messages.length);
  for (const message of batch.messages) writeMessage(writer, message);
  writer.uint(certificate.height).latin1(certificate.root).uint(certificate.attestations.length);
  for (const { validator, signature } of certificate.attestations) {
    writer.uint(validator).bytes(signature);
  }
  writer.uint(proof.index).uint(proof.length).uint(proof.siblings.length);
  for (const sibling of proof.siblings) writer.latin1(sibling);
}

/** Reads a batch; its digest is computed anew. @throws ShardChainError `BAD_BYTES` */
export function readCertified(reader: ByteReader): CertifiedBatch {
  const place = { from: reader.uint(), to: reader.uint(), sequence: reader.uint() };
  const batch = makeBatch(
    place,
    reader.list(() => readMessage(reader), 3),
  );
  const certificate: OutboxCertificate = {
    chain: place.from,
    height: reader.uint(),
    root: reader.latin1(DIGEST_BYTES),
    attestations: reader.list(() => ({ validator: reader.uint(), signature: reader.bytes() })),
  };
  const proof = {
    index: reader.uint(),
    length: reader.uint(),
    siblings: reader.list(() => reader.latin1(DIGEST_BYTES), DIGEST_BYTES),
  };
  const sizeBytes =
    batch.sizeBytes +
    DIGEST_BYTES * (1 + proof.siblings.length) +
    ATTESTATION_BYTES * certificate.attestations.length;
  return { batch, certificate, proof, sizeBytes };
}

/** Messages between chains, for sockets. */
export const CROSS_CODEC: MessageCodec<CrossWireMessage> = {
  encode(message) {
    const writer = new ByteWriter();
    writer.byte(TYPES.indexOf(message.type));
    switch (message.type) {
      case "attest":
        writer.uint(message.height).latin1(message.root).uint(message.validator);
        writer.bytes(message.signature);
        break;
      case "batch":
        writeCertified(writer, message.certified);
        break;
      case "want":
        writer.uint(message.chain).uint(message.sequence);
        break;
      case "heads":
        writer.uint(message.chain).uint(message.sent).uint(message.taken);
    }
    return writer.copy();
  },
  decode: (bytes) => readBytes(bytes, "message between chains", readCross),
};

function readCross(reader: ByteReader): CrossWireMessage {
  const type = TYPES[reader.byte()] ?? reader.fail("unknown type");
  switch (type) {
    case "attest":
      return {
        type,
        height: reader.uint(),
        root: reader.latin1(DIGEST_BYTES),
        validator: reader.uint(),
        signature: reader.bytes(),
      };
    case "batch":
      return { type, certified: readCertified(reader) };
    case "want":
      return { type, chain: reader.uint(), sequence: reader.uint() };
    case "heads":
      return { type, chain: reader.uint(), sent: reader.uint(), taken: reader.uint() };
  }
}

const NOTHING = 0;
const ID = 1;
const BODY = 2;

function writeMessage(writer: ByteWriter, message: CrossMessage): void {
  const { kind, txId, transaction, data } = message;
  writer.text(kind).byte(transaction !== undefined ? BODY : txId !== undefined ? ID : NOTHING);
  if (transaction !== undefined) writeTransaction(writer, transaction);
  else if (txId !== undefined) writer.digest(txId);
  writer.byte(data === undefined ? 0 : 1);
  if (data !== undefined) writeData(writer, data);
}

function readMessage(reader: ByteReader): CrossMessage {
  const kind = reader.text();
  const about = reader.byte();
  const subject =
    about === BODY
      ? { transaction: readTransaction(reader) }
      : about === ID
        ? { txId: reader.digest() }
        : about === NOTHING
          ? {}
          : reader.fail("unknown subject");
  return { kind, ...subject, ...(reader.flag() && { data: readData(reader) }) };
}
