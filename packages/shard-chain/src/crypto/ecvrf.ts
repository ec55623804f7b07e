import { createHash } from "node:crypto";
import { ShardChainError } from "../errors.ts";
import {
  addPoints,
  BASE_POINT,
  COFACTOR,
  type CurvePoint,
  decodePoint,
  decodeScalar,
  encodePoint,
  encodeScalar,
  GROUP_ORDER,
  IDENTITY,
  isSamePoint,
  multiplyPoint,
  negatePoint,
  POINT_BYTES,
} from "./edwards25519.ts";

/** ECVRF-EDWARDS25519-SHA512-TAI. */
const SUITE = 3;
const CHALLENGE_BYTES = 16;

/** Bytes of a proof. */
export const VRF_PROOF_BYTES = 2 * POINT_BYTES + CHALLENGE_BYTES;

/** A key of the function; its public half is that of Ed25519. */
export interface VrfKey {
  readonly publicKey: Uint8Array;
  /** The proof that the output for `input` is the only one this key has. */
  prove(input: Uint8Array): Uint8Array;
}

/**
 * A key of the verifiable random function ECVRF-EDWARDS25519-SHA512-TAI.
 *
 * @param secretKey 32 bytes, as of Ed25519
 * @throws ShardChainError `BAD_BYTES` for another length
 * @see RFC 9381, sections 5.1 and 5.5
 */
export function createVrfKey(secretKey: Uint8Array): VrfKey {
  if (secretKey.length !== POINT_BYTES) {
    throw new ShardChainError(`a VRF key has 32 bytes, got ${secretKey.length}`, {
      code: "BAD_BYTES",
      what: "VRF key",
      problem: `${secretKey.length} bytes`,
    });
  }
  const hashed = sha512(secretKey);
  const clamped = Uint8Array.from(hashed.subarray(0, 32));
  clamped[0] = (clamped[0] as number) & 248;
  clamped[31] = ((clamped[31] as number) & 127) | 64;
  const x = decodeScalar(clamped);
  const publicKey = encodePoint(multiplyPoint(BASE_POINT, x));
  return {
    publicKey,
    prove(input) {
      const h = encodeToCurve(publicKey, input);
      const hBytes = encodePoint(h);
      const gamma = multiplyPoint(h, x);
      const k = decodeScalar(sha512(hashed.subarray(32), hBytes)) % GROUP_ORDER;
      const kB = multiplyPoint(BASE_POINT, k);
      const kH = multiplyPoint(h, k);
      const c = challenge(publicKey, hBytes, ...[gamma, kB, kH].map(encodePoint));
      const s = (k + c * x) % GROUP_ORDER;
      return Uint8Array.of(
        ...encodePoint(gamma),
        ...encodeScalar(c, CHALLENGE_BYTES),
        ...encodeScalar(s),
      );
    },
  };
}

/**
 * The 64 bytes of output that a proof shows; undefined for a proof that shows nothing.
 *
 * @see RFC 9381, sections 5.2 and 5.3; the public key is validated (section 5.4.5)
 */
export function verifyVrf(
  publicKey: Uint8Array,
  input: Uint8Array,
  proof: Uint8Array,
): Uint8Array | undefined {
  if (proof.length !== VRF_PROOF_BYTES) return undefined;
  const y = decodePoint(publicKey);
  const gamma = decodePoint(proof.subarray(0, POINT_BYTES));
  const c = decodeScalar(proof.subarray(POINT_BYTES, POINT_BYTES + CHALLENGE_BYTES));
  const s = decodeScalar(proof.subarray(POINT_BYTES + CHALLENGE_BYTES));
  if (y === undefined || gamma === undefined || s >= GROUP_ORDER) return undefined;
  if (isSamePoint(multiplyPoint(y, COFACTOR), IDENTITY)) return undefined;
  const h = encodeToCurve(publicKey, input);
  const u = subtract(multiplyPoint(BASE_POINT, s), multiplyPoint(y, c));
  const v = subtract(multiplyPoint(h, s), multiplyPoint(gamma, c));
  const expected = challenge(publicKey, ...[h, gamma, u, v].map(encodePoint));
  if (c !== expected) return undefined;
  const cleared = encodePoint(multiplyPoint(gamma, COFACTOR));
  return sha512(Uint8Array.of(SUITE, 3), cleared, Uint8Array.of(0));
}

/** Try and increment: section 5.4.1.1. */
function encodeToCurve(salt: Uint8Array, input: Uint8Array): CurvePoint {
  for (let counter = 0; counter < 256; counter++) {
    const hash = sha512(Uint8Array.of(SUITE, 1), salt, input, Uint8Array.of(counter, 0));
    const candidate = decodePoint(hash.subarray(0, POINT_BYTES));
    if (candidate === undefined) continue;
    const point = multiplyPoint(candidate, COFACTOR);
    if (!isSamePoint(point, IDENTITY)) return point;
  }
  throw new ShardChainError("no point of the curve was found for a VRF input in 256 tries", {
    code: "BAD_BYTES",
    what: "VRF input",
    problem: "it hashes to no point",
  });
}

function challenge(...points: readonly Uint8Array[]): bigint {
  const hash = sha512(Uint8Array.of(SUITE, 2), ...points, Uint8Array.of(0));
  return decodeScalar(hash.subarray(0, CHALLENGE_BYTES));
}

function subtract(p: CurvePoint, q: CurvePoint): CurvePoint {
  return addPoints(p, negatePoint(q));
}

function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha512");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}
