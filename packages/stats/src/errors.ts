import { DomainError } from "@fmlab/experiment";

/** A failure this package expects. `code` says which; the other fields are its evidence. */
export type StatsFailure =
  /** An interval or a test needs more independent values. Run more seeds. */
  | { code: "TOO_FEW_SEEDS"; n: number; needed: number }
  /** A value is NaN or infinite; an experiment reports those as gaps, they are no results. */
  | { code: "NON_FINITE_VALUE"; index: number; value: number }
  /** Paired samples differ in length: value i of one must belong to value i of the other. */
  | { code: "NOT_PAIRED"; left: number; right: number }
  /** A ratio or a geometric mean of a value that is zero or negative. */
  | { code: "NOT_POSITIVE"; index: number; value: number }
  /** A probability, level or count outside its domain. */
  | { code: "BAD_ARGUMENT"; name: string; value: number }
  /** A claim file is not JSON or breaks the format. */
  | { code: "BAD_CLAIM"; file: string; problem: string }
  /** A run folder has no readable record or breaks the format. */
  | { code: "BAD_RUN_FOLDER"; folder: string; problem: string };

/** Every error this package throws on purpose. */
export class StatsError extends DomainError<StatsFailure> {}

/** @throws StatsError `TOO_FEW_SEEDS`, `NON_FINITE_VALUE` */
export function requireSample(values: readonly number[], needed: number): void {
  const index = values.findIndex((value) => !Number.isFinite(value));
  if (index >= 0) {
    const value = values[index] as number;
    throw new StatsError(`value ${index} is ${value}; statistics need finite numbers`, {
      code: "NON_FINITE_VALUE",
      index,
      value,
    });
  }
  if (values.length < needed) {
    throw new StatsError(
      `${values.length} values are too few: ${needed} independent ones are needed; run more seeds`,
      { code: "TOO_FEW_SEEDS", n: values.length, needed },
    );
  }
}

/** @throws StatsError `BAD_ARGUMENT` unless 0 < value < 1 */
export function requireOpenUnit(name: string, value: number): void {
  if (!(value > 0 && value < 1)) {
    throw new StatsError(`${name} must lie between 0 and 1, got ${value}`, {
      code: "BAD_ARGUMENT",
      name,
      value,
    });
  }
}
