import { createHash } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { ShardChainError } from "../errors.ts";

const { Point } = ed25519;
type CurvePoint = typeof Point.BASE;

/** Order of the base point. */
const GROUP_ORDER = Point.Fn.ORDER;
const POINT_BYTES = 32;

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
  const x = decodeScalar(clamped) % GROUP_ORDER;
  const publicKey = Point.BASE.multiply(x).toBytes();
  return {
    publicKey,
    prove(input) {
      const h = encodeToCurve(publicKey, input);
      const hBytes = h.toBytes();
      const gamma = h.multiply(x);
      const k = decodeScalar(sha512(hashed.subarray(32), hBytes)) % GROUP_ORDER;
      const kB = Point.BASE.multiply(k);
      const kH = h.multiply(k);
      const c = challenge(publicKey, h, gamma, kB, kH);
      const s = (k + c * x) % GROUP_ORDER;
      return Uint8Array.of(
        ...gamma.toBytes(),
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
  if (y.isSmallOrder()) return undefined;
  const h = encodeToCurve(publicKey, input);
  const u = Point.BASE.multiplyUnsafe(s).subtract(y.multiplyUnsafe(c));
  const v = h.multiplyUnsafe(s).subtract(gamma.multiplyUnsafe(c));
  if (c !== challenge(publicKey, h, gamma, u, v)) return undefined;
  const cleared = gamma.clearCofactor().toBytes();
  return sha512(Uint8Array.of(SUITE, 3), cleared, Uint8Array.of(0));
}

/** Try and increment: section 5.4.1.1. */
function encodeToCurve(salt: Uint8Array, input: Uint8Array): CurvePoint {
  for (let counter = 0; counter < 256; counter++) {
    const hash = sha512(Uint8Array.of(SUITE, 1), salt, input, Uint8Array.of(counter, 0));
    const candidate = decodePoint(hash.subarray(0, POINT_BYTES));
    if (candidate === undefined) continue;
    const point = candidate.clearCofactor();
    if (!point.is0()) return point;
  }
  throw new ShardChainError("no point of the curve was found for a VRF input in 256 tries", {
    code: "BAD_BYTES",
    what: "VRF input",
    problem: "it hashes to no point",
  });
}

function challenge(publicKey: Uint8Array, ...points: readonly CurvePoint[]): bigint {
  const encoded = points.map((point) => point.toBytes());
  const hash = sha512(Uint8Array.of(SUITE, 2), publicKey, ...encoded, Uint8Array.of(0));
  return decodeScalar(hash.subarray(0, CHALLENGE_BYTES));
}

/** Undefined for bytes that encode no point, or not in its one form (RFC 8032, section 5.1.3). */
function decodePoint(bytes: Uint8Array): CurvePoint | undefined {
  try {
    return Point.fromBytes(bytes);
  } catch {
    return undefined;
  }
}

/** A number from little-endian bytes. */
function decodeScalar(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
}

/** A number below 2^(8 * sizeBytes) in little-endian bytes. */
function encodeScalar(number: bigint, sizeBytes = POINT_BYTES): Uint8Array {
  const hex = number.toString(16).padStart(2 * sizeBytes, "0");
  return new Uint8Array(Buffer.from(hex, "hex").reverse());
}

function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha512");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}
