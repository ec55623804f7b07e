/** The field prime 2^255 - 19. */
const P = 2n ** 255n - 19n;
/** Order of the base point. */
export const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
/** Each point times this lies in the group of prime order. */
export const COFACTOR = 8n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
/** A square root of -1. */
const ROOT_OF_MINUS_ONE = power(2n, (P - 1n) / 4n);

/** Bytes of an encoded point and of a scalar. */
export const POINT_BYTES = 32;

/** A point in extended coordinates: x = X/Z, y = Y/Z, x*y = T/Z. */
export interface CurvePoint {
  readonly X: bigint;
  readonly Y: bigint;
  readonly Z: bigint;
  readonly T: bigint;
}

/** The neutral element. */
export const IDENTITY: CurvePoint = { X: 0n, Y: 1n, Z: 1n, T: 0n };

/** The base point of RFC 8032. */
export const BASE_POINT: CurvePoint = fromAffine(
  15112221349535400772501151409588531511454012693041857206046113283949847762202n,
  46316835694926478169428394003475163141307993866256225615783033603165251855960n,
);

/**
 * Sum of two points; complete, so that it doubles as well.
 *
 * @see RFC 8032, section 5.1.4
 */
export function addPoints(p: CurvePoint, q: CurvePoint): CurvePoint {
  const a = reduce((p.Y - p.X) * (q.Y - q.X));
  const b = reduce((p.Y + p.X) * (q.Y + q.X));
  const c = reduce(2n * p.T * q.T * D);
  const d = reduce(2n * p.Z * q.Z);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return { X: reduce(e * f), Y: reduce(g * h), Z: reduce(f * g), T: reduce(e * h) };
}

/** The point with its sign turned. */
export function negatePoint({ X, Y, Z, T }: CurvePoint): CurvePoint {
  return { X: reduce(-X), Y, Z, T: reduce(-T) };
}

/** A point times a scalar >= 0. Its time depends on the scalar: for keys of experiments only. */
export function multiplyPoint(point: CurvePoint, scalar: bigint): CurvePoint {
  let sum = IDENTITY;
  let doubled = point;
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest & 1n) sum = addPoints(sum, doubled);
    doubled = addPoints(doubled, doubled);
  }
  return sum;
}

/** Whether two points are the same. */
export function isSamePoint(p: CurvePoint, q: CurvePoint): boolean {
  return reduce(p.X * q.Z - q.X * p.Z) === 0n && reduce(p.Y * q.Z - q.Y * p.Z) === 0n;
}

/** 32 bytes: y little-endian, the sign of x in the highest bit. */
export function encodePoint({ X, Y, Z }: CurvePoint): Uint8Array {
  const inverse = power(Z, P - 2n);
  const x = reduce(X * inverse);
  const y = reduce(Y * inverse);
  return encodeScalar(y | ((x & 1n) << 255n));
}

/**
 * The point that 32 bytes encode; undefined for bytes that are none, or not the shortest form.
 *
 * @see RFC 8032, section 5.1.3
 */
export function decodePoint(bytes: Uint8Array): CurvePoint | undefined {
  if (bytes.length !== POINT_BYTES) return undefined;
  const number = decodeScalar(bytes);
  const sign = number >> 255n;
  const y = number & ((1n << 255n) - 1n);
  if (y >= P) return undefined;
  const square = reduce((y * y - 1n) * power(reduce(D * y * y + 1n), P - 2n));
  let x = power(square, (P + 3n) / 8n);
  if (reduce(x * x - square) !== 0n) x = reduce(x * ROOT_OF_MINUS_ONE);
  if (reduce(x * x - square) !== 0n || (x === 0n && sign === 1n)) return undefined;
  return fromAffine((x & 1n) === sign ? x : P - x, y);
}

/** A number from little-endian bytes. */
export function decodeScalar(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString("hex") || "0"}`);
}

/** A number below 2^(8 * sizeBytes) in little-endian bytes. */
export function encodeScalar(number: bigint, sizeBytes = POINT_BYTES): Uint8Array {
  const hex = number.toString(16).padStart(2 * sizeBytes, "0");
  return new Uint8Array(Buffer.from(hex, "hex").reverse());
}

function fromAffine(x: bigint, y: bigint): CurvePoint {
  return { X: x, Y: y, Z: 1n, T: reduce(x * y) };
}

function reduce(number: bigint): bigint {
  const rest = number % P;
  return rest < 0n ? rest + P : rest;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = reduce(result * square);
    square = reduce(square * square);
  }
  return result;
}
