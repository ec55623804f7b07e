import { mean } from "@fmlab/stats";
import { klDivergence } from "../../src/quality/divergence.ts";
import { type RowStatistics, rowStatistics } from "../../src/quality/log-softmax.ts";

/** Two tokens that change places between two machines. */
export interface NearTie {
  readonly step: number;
  /** The likeliest token of each, with both machines' logits of it. */
  readonly reference: TieToken;
  readonly device: TieToken;
  /** By how much the reference's token leads there, and the device's on the device. */
  readonly referenceGap: number;
  readonly deviceGap: number;
}

interface TieToken {
  readonly token: number;
  readonly referenceLogit: number;
  readonly deviceLogit: number;
}

/** How far rows of logits are from those of a reference. */
export interface LogitComparison {
  readonly rows: number;
  /** Standard deviation of the reference's logits within a row, mean over rows: the unit. */
  readonly spread: number;
  readonly differenceMax: number;
  readonly differenceMean: number;
  /** Divergence of the device's distribution from the reference's, nats. */
  readonly klMean: number;
  readonly klMax: number;
  /** Share of rows with the same likeliest token. */
  readonly argmaxAgreement: number;
  readonly nearTies: readonly NearTie[];
}

/**
 * Compares rows of logits, each `[vocabularySize]`.
 * @throws RangeError for no rows or unequal numbers; MoeError `BAD_LOGITS` for one not finite
 */
export function compareRows(
  reference: readonly Float32Array[],
  device: readonly Float32Array[],
): LogitComparison {
  if (reference.length !== device.length || reference.length === 0) {
    throw new RangeError(`${reference.length} rows cannot be held against ${device.length}`);
  }
  const rows = reference.map((own, step) => compareRow(own, device[step] as Float32Array, step));
  const kls = rows.map(({ kl }) => kl);
  const nearTies = rows.flatMap(({ tie }) => (tie ? [tie] : []));
  return {
    rows: rows.length,
    spread: mean(rows.map(({ spread }) => spread)),
    differenceMax: Math.max(...rows.map(({ differenceMax }) => differenceMax)),
    differenceMean: mean(rows.map(({ differenceMean }) => differenceMean)),
    klMean: mean(kls),
    klMax: Math.max(...kls),
    argmaxAgreement: 1 - nearTies.length / rows.length,
    nearTies,
  };
}

/** True when two rows have the same bits, which is more than equal numbers. */
export function sameBits(a: Float32Array, b: Float32Array): boolean {
  const left = Buffer.from(a.buffer, a.byteOffset, a.byteLength);
  return left.equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));
}

/** The tie of two rows, or undefined where their likeliest tokens are the same. */
export function tieOf(
  reference: Float32Array,
  device: Float32Array,
  step: number,
): NearTie | undefined {
  return compareRow(reference, device, step).tie;
}

function compareRow(reference: Float32Array, device: Float32Array, step: number) {
  const [own, other] = [rowOf(reference), rowOf(device)];
  const [statistics, otherStatistics] = [rowStatistics(own), rowStatistics(other)];
  let [largest, sum, total, squares] = [0, 0, 0, 0];
  for (let i = 0; i < reference.length; i++) {
    const value = reference[i] ?? Number.NaN;
    const difference = Math.abs(value - (device[i] ?? Number.NaN));
    largest = Math.max(largest, difference);
    sum += difference;
    total += value;
    squares += value * value;
  }
  const count = reference.length;
  return {
    differenceMax: largest,
    differenceMean: sum / count,
    spread: Math.sqrt(Math.max(0, squares / count - (total / count) ** 2)),
    kl: klDivergence(own, statistics, other, otherStatistics),
    tie: tie(reference, statistics, device, otherStatistics, step),
  };
}

function tie(
  reference: Float32Array,
  own: RowStatistics,
  device: Float32Array,
  other: RowStatistics,
  step: number,
): NearTie | undefined {
  if (own.argmax === other.argmax) return undefined;
  const at = (token: number): TieToken => ({
    token,
    referenceLogit: reference[token] ?? Number.NaN,
    deviceLogit: device[token] ?? Number.NaN,
  });
  const [first, second] = [at(own.argmax), at(other.argmax)];
  return {
    step,
    reference: first,
    device: second,
    referenceGap: first.referenceLogit - second.referenceLogit,
    deviceGap: second.deviceLogit - first.deviceLogit,
  };
}

function rowOf(logits: Float32Array) {
  return { logits, first: 0, count: logits.length };
}
