import { z } from "zod";
import { PROVENANCES } from "./claims.ts";

/**
 * How much one picture may hold. Chosen so that it can still be read; more belongs in several
 * pictures or in a table.
 */
export const SERIES_LIMITS = {
  barCategories: 256,
  barGroups: 12,
  scatterGroups: 24,
  scatterPoints: 5_000,
  references: 8,
  boundPoints: 1_000,
  nameCharacters: 120,
  textCharacters: 500,
} as const;

/** A name shown in a picture: a group, a category, a reference. */
export const pictureName = z.string().min(1).max(SERIES_LIMITS.nameCharacters);

/** A name, label, unit or remark that may be empty. */
export const pictureText = z.string().max(SERIES_LIMITS.textCharacters);

/** Where a line that was not measured by this run comes from. */
export const originFields = {
  /** How the statement reached us; left out for what the run itself computed, e.g. a bound. */
  provenance: z.enum(PROVENANCES).optional(),
  /** Paper and place, or how it was computed, e.g. `arXiv:2502.12224, table 3`. */
  source: pictureText.default(""),
};

/** The first name that occurs twice. */
export function repeatedName(named: readonly { name: string }[]): string | undefined {
  const seen = new Set<string>();
  for (const { name } of named) {
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}

/**
 * What is wrong with an interval around a value, if anything. Both ends or none; the value lies
 * between them, up to rounding. Catches half-widths given for ends.
 */
export function intervalProblem(
  value: number | null,
  low: number | null | undefined,
  high: number | null | undefined,
): string | undefined {
  const hasLow = low !== null && low !== undefined;
  const hasHigh = high !== null && high !== undefined;
  if (hasLow !== hasHigh) return "an interval has both ends or none";
  if (!hasLow || !hasHigh) return undefined;
  if (value === null) return "an interval needs its value";
  const rounding = 1e-9 * Math.max(Math.abs(value), Math.abs(low), Math.abs(high));
  return low <= value + rounding && value <= high + rounding
    ? undefined
    : `the value ${value} must lie in its interval, ${low} to ${high}: ends are values, not widths`;
}
