import {
  aggregateSignatures,
  aggregateVerify,
  PublicKey,
  SecretKey,
  Signature,
  verify,
  verifyMultipleAggregateSignatures,
} from "@chainsafe/blst";
import type { SignatureScheme, SignedStatement } from "./signatures.ts";

/** Bytes of a signature, one or aggregate. */
export const BLS_SIGNATURE_BYTES = 96;

/**
 * BLS signatures on BLS12-381 with short keys (48 bytes), computed by blst: slower than Ed25519 one
 * by one, but those of a certificate are checked together and fit into one.
 */
export const BLS: SignatureScheme = {
  name: "bls",
  createSigner(seed) {
    const key = SecretKey.fromKeygen(seed);
    return {
      publicKey: key.toPublicKey().toBytes(),
      sign: (statement) => key.sign(Buffer.from(statement)).toBytes(),
    };
  },
  verify(publicKey, statement, signature) {
    return isTrue(() =>
      verify(Buffer.from(statement), parsedKey(publicKey), parsedSignature(signature)),
    );
  },
  // Random factors keep two wrong signatures from making up for each other, so that each of the
  // statements is known to be signed.
  verifyAll(signed) {
    return isTrue(() =>
      verifyMultipleAggregateSignatures(
        signed.map(({ publicKey, statement, signature }) => ({
          msg: Buffer.from(statement),
          pk: parsedKey(publicKey),
          sig: parsedSignature(signature),
        })),
      ),
    );
  },
};

/**
 * One signature in place of many that were checked.
 *
 * @param signatures at least one
 */
export function aggregateBls(signatures: readonly Uint8Array[]): Uint8Array {
  return aggregateSignatures(signatures.map(parsedSignature)).toBytes();
}

/**
 * Whether each key has signed its statement, by the one signature in place of all. The statements
 * must differ, as votes do, which name their voter: else a key made up from others' could pass.
 */
export function verifyAggregateBls(
  signed: readonly Omit<SignedStatement, "signature">[],
  aggregate: Uint8Array,
): boolean {
  if (signed.length === 0 || new Set(signed.map((one) => one.statement)).size < signed.length) {
    return false;
  }
  return isTrue(() =>
    aggregateVerify(
      signed.map(({ statement }) => Buffer.from(statement)),
      signed.map(({ publicKey }) => parsedKey(publicKey)),
      parsedSignature(aggregate),
    ),
  );
}

/** Parsed and checked keys. Weak: keys of ended runs go. */
const parsedKeys = new WeakMap<Uint8Array, PublicKey>();

function parsedKey(bytes: Uint8Array): PublicKey {
  let key = parsedKeys.get(bytes);
  if (key === undefined) {
    key = PublicKey.fromBytes(bytes, true);
    parsedKeys.set(bytes, key);
  }
  return key;
}

/** Refuses another length: blst also takes the uncompressed form, and a vote has one form. */
function parsedSignature(bytes: Uint8Array): Signature {
  if (bytes.length !== BLS_SIGNATURE_BYTES) throw new RangeError("a BLS signature has 96 bytes");
  return Signature.fromBytes(bytes, true, true);
}

/** Bytes that are no key or signature make blst throw: nothing is signed then. */
function isTrue(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}
