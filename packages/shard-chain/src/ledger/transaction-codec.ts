import { ByteReader } from "../bytes/byte-reader.ts";
import type { ByteWriter } from "../bytes/byte-writer.ts";
import { type Step, TRANSACTION_KINDS, type TransactionContent } from "./transaction.ts";

const OPS = [
  "observe",
  "debit",
  "credit",
  "sweep",
  "deposit",
  "check",
  "mix",
  "call",
] as const satisfies readonly Step["op"][];

/** Op and address: the least a step takes. */
const STEP_BYTES_MIN = 21;
/** A transaction longer than this is refused unread. Chosen: geth takes none above 128 KB. */
export const TRANSACTION_BYTES_MAX = 131_072;

/** Appends the bytes that a transaction's id is the hash of. Equal contents give equal bytes. */
export function writeTransactionCore(writer: ByteWriter, content: TransactionContent): ByteWriter {
  writer.byte(TRANSACTION_KINDS.indexOf(content.kind)).hex(content.sender).u48(content.nonce);
  writer.u128(content.fee).u32(content.paddingBytes).uint(content.steps.length);
  for (const step of content.steps) writeStep(writer, step);
  return writer;
}

function writeStep(writer: ByteWriter, step: Step): void {
  writer.byte(OPS.indexOf(step.op)).hex(step.address);
  switch (step.op) {
    case "debit":
    case "credit":
      writer.u128(step.amount);
      return;
    case "check":
      writer.u128(step.amount).u128(step.penalty);
      return;
    case "call":
      writer.bytes(step.data).uint(step.slots.length);
      for (const slot of step.slots) writer.u256(slot);
  }
}

/**
 * Reads the bytes back.
 *
 * @throws ShardChainError `BAD_BYTES`
 */
export function readTransactionCore(bytes: Uint8Array): TransactionContent {
  const reader = new ByteReader(bytes, "transaction");
  if (bytes.length > TRANSACTION_BYTES_MAX) {
    reader.fail(`longer than ${TRANSACTION_BYTES_MAX} bytes`);
  }
  const kind = TRANSACTION_KINDS[reader.byte()] ?? reader.fail("unknown kind");
  const sender = reader.address();
  const nonce = reader.u48();
  const fee = reader.u128();
  const paddingBytes = reader.u32();
  if (paddingBytes > TRANSACTION_BYTES_MAX) reader.fail("too much padding");
  const steps = reader.list(() => readStep(reader), STEP_BYTES_MIN);
  reader.end();
  return { kind, sender, nonce, fee, steps, paddingBytes };
}

function readStep(reader: ByteReader): Step {
  const op = OPS[reader.byte()] ?? reader.fail("unknown step");
  const address = reader.address();
  switch (op) {
    case "debit":
    case "credit":
      return { op, address, amount: reader.u128() };
    case "check":
      return { op, address, amount: reader.u128(), penalty: reader.u128() };
    case "call":
      return { op, address, data: reader.bytes(), slots: readSlots(reader) };
    default:
      return { op, address };
  }
}

function readSlots(reader: ByteReader): bigint[] {
  return reader.list(() => reader.u256(), 32);
}
