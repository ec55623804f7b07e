import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { BLS } from "./bls.ts";

/** The ways to sign; a run records which it used. */
export const SIGNATURE_SCHEMES = ["ed25519", "bls", "elided"] as const;

/** One of the ways to sign. */
export type SignatureSchemeName = (typeof SIGNATURE_SCHEMES)[number];

/** Signs in the name of one validator. */
export interface Signer {
  readonly publicKey: Uint8Array;
  sign(statement: string): Uint8Array;
}

/** A statement and who is said to have signed it. */
export interface SignedStatement {
  readonly publicKey: Uint8Array;
  readonly statement: string;
  readonly signature: Uint8Array;
}

/** A way to sign statements. */
export interface SignatureScheme {
  readonly name: SignatureSchemeName;
  /** @param seed 32 secret bytes */
  createSigner(seed: Uint8Array): Signer;
  /** False for anything wrong; never throws. */
  verify(publicKey: Uint8Array, statement: string, signature: Uint8Array): boolean;
  /** Whether all of them are signed, where that is cheaper than one by one; never throws. */
  verifyAll?(signed: readonly SignedStatement[]): boolean;
}

/** Bytes of an Ed25519 or elided signature. */
export const SIGNATURE_BYTES = 64;
const KEY_BYTES = 32;

/** What comes before 32 raw bytes in DER: RFC 8410, a private key and a public key of Ed25519. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** Ed25519 of RFC 8032, computed by OpenSSL. */
export const ED25519: SignatureScheme = {
  name: "ed25519",
  createSigner(seed) {
    const der = Buffer.concat([PKCS8_PREFIX, seed]);
    const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    const spki = createPublicKey(key).export({ format: "der", type: "spki" });
    return {
      publicKey: new Uint8Array(spki.subarray(SPKI_PREFIX.length)),
      sign: (statement) => sign(null, Buffer.from(statement), key),
    };
  },
  verify(publicKey, statement, signature) {
    if (signature.length !== SIGNATURE_BYTES || publicKey.length !== KEY_BYTES) return false;
    try {
      return verify(null, Buffer.from(statement), publicKeyObject(publicKey), signature);
    } catch {
      return false;
    }
  },
};

/** Parsed keys, so that verifying does not parse. Weak: keys of ended runs go. */
const parsedKeys = new WeakMap<Uint8Array, KeyObject>();

function publicKeyObject(publicKey: Uint8Array): KeyObject {
  let key = parsedKeys.get(publicKey);
  if (key === undefined) {
    const der = Buffer.concat([SPKI_PREFIX, publicKey]);
    key = createPublicKey({ key: der, format: "der", type: "spki" });
    parsedKeys.set(publicKey, key);
  }
  return key;
}

/**
 * Stands in for a signature in virtual time: a checksum of statement and public key, while the cost
 * table charges for a real one. Detects every accident and every adversary of this package, which
 * sign through a `Signer` only; it stops nobody else. Never use it on sockets.
 */
export const ELIDED: SignatureScheme = {
  name: "elided",
  createSigner: (seed) => ({
    publicKey: seed,
    sign: (statement) => checksum(seed, statement),
  }),
  verify(publicKey, statement, signature) {
    if (signature.length !== SIGNATURE_BYTES) return false;
    const expected = checksum(publicKey, statement);
    return expected.every((byte, i) => byte === signature[i]);
  },
};

function checksum(publicKey: Uint8Array, statement: string): Uint8Array {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (const byte of publicKey) {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x5bd1e995) + (a >>> 15);
  }
  for (let i = 0; i < statement.length; i++) {
    const unit = statement.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x5bd1e995) + (a >>> 15);
  }
  const bytes = new Uint8Array(SIGNATURE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, a);
  view.setUint32(4, b);
  return bytes;
}

const SCHEMES: Record<SignatureSchemeName, SignatureScheme> = {
  ed25519: ED25519,
  bls: BLS,
  elided: ELIDED,
};

/** The scheme of a name. */
export function signatureScheme(name: SignatureSchemeName): SignatureScheme {
  return SCHEMES[name];
}
