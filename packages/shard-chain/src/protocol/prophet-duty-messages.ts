import { z } from "zod";
import type { Address } from "../ledger/address.ts";
import { decodeStateProof, encodeStateProof, type StateProof } from "../ledger/state-proof.ts";
import type { Transaction } from "../ledger/transaction.ts";
import type { Data } from "./data.ts";
import type { DutyMessage } from "./node-duty.ts";
import type { BatchData } from "./prophet-data.ts";

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** A leader asks a member for accounts of its shard. */
const askSchema = z.strictObject({
  number: count,
  addresses: z.array(z.string().regex(/^0x[0-9a-f]{40}$/)).max(100_000),
});
/** Its body. */
export type Ask = z.infer<typeof askSchema>;

/** A member answers: proofs in the order of the addresses, and what is tentative on top. */
const answerSchema = z.strictObject({
  number: count,
  height: count,
  /** The last round that is executed in it, and the last after which some was taken back. */
  round: count,
  undone: count,
  root: z.string().regex(/^[0-9a-f]{64}$/),
  proofs: z.array(z.string()).max(100_000),
  /** Wei that are to come or go, and the newest word, empty where unchanged. */
  pending: z.array(z.tuple([z.bigint(), z.union([z.bigint(), z.null()])])).max(100_000),
});
/** Its body. */
export type Answer = z.infer<typeof answerSchema>;

/** A leader hands its result to the members. */
const checkSchema = z.strictObject({ data: z.unknown() });

/** A member has signed it. */
const signSchema = z.strictObject({ number: count, signature: z.string().max(1_024) });

/** What members of a coalition say to each other. */
export type CoalitionMessage =
  | { readonly kind: "ask"; readonly body: Ask }
  | { readonly kind: "answer"; readonly body: Answer }
  | {
      readonly kind: "check";
      readonly body: { readonly data?: unknown };
      readonly transactions: readonly Transaction[];
    }
  | { readonly kind: "sign"; readonly body: z.infer<typeof signSchema> };

/** The message, if it is one; other nodes may send anything. */
export function coalitionMessage(message: DutyMessage): CoalitionMessage | undefined {
  const { kind, data, transactions = [] } = message;
  switch (kind) {
    case "ask": {
      const parsed = askSchema.safeParse(data);
      return parsed.success ? { kind, body: parsed.data } : undefined;
    }
    case "answer": {
      const parsed = answerSchema.safeParse(data);
      return parsed.success ? { kind, body: parsed.data } : undefined;
    }
    case "check": {
      const parsed = checkSchema.safeParse(data);
      return parsed.success ? { kind, body: parsed.data, transactions } : undefined;
    }
    case "sign": {
      const parsed = signSchema.safeParse(data);
      return parsed.success ? { kind, body: parsed.data } : undefined;
    }
    default:
      return undefined;
  }
}

const HEADER_BYTES = 24;

/** A question for accounts. */
export function askMessage(number: number, addresses: readonly Address[]): DutyMessage {
  const sizeBytes = HEADER_BYTES + 20 * addresses.length;
  return { kind: "ask", data: { number, addresses }, sizeBytes };
}

/** An answer; proofs travel in binary. */
export function answerMessage(
  answer: Omit<Answer, "proofs">,
  proofs: readonly StateProof[],
): DutyMessage {
  const encoded = proofs.map(encodeStateProof);
  const sizeBytes = encoded.reduce((sum, bytes) => sum + bytes.length + 24, HEADER_BYTES + 40);
  const data: Data = {
    ...answer,
    proofs: encoded.map((bytes) => Buffer.from(bytes).toString("base64")),
  };
  return { kind: "answer", data, sizeBytes };
}

/** The proof that an answer holds; undefined where it holds none. */
export function proofIn(text: string | undefined): StateProof | undefined {
  if (text === undefined) return undefined;
  try {
    return decodeStateProof(Uint8Array.from(Buffer.from(text, "base64")));
  } catch {
    return undefined;
  }
}

/** A result to sign, with the transactions that the member has to look at. */
export function checkMessage(
  data: BatchData,
  sizeBytes: number,
  transactions: readonly Transaction[],
): DutyMessage {
  const bodies = transactions.reduce((sum, one) => sum + one.sizeBytes, 0);
  return { kind: "check", data: { data }, transactions, sizeBytes: sizeBytes + bodies };
}

/** A signature. */
export function signMessage(number: number, signature: Uint8Array): DutyMessage {
  const data = { number, signature: Buffer.from(signature).toString("base64") };
  return { kind: "sign", data, sizeBytes: HEADER_BYTES + signature.length };
}
