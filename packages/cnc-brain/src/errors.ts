import { DomainError } from "@fmlab/experiment";

/** Failures of this package that a file, a config or a plugged-in part can cause. */
export type CncFailure =
  /** A trace, topology or policy file does not hold what its format says. */
  | { code: "BAD_FILE"; path: string; line?: number; problem: string }
  /** A file cannot be read at all. */
  | { code: "UNREADABLE_FILE"; path: string; reason: string }
  /** A name that is not in the list of known ones. */
  | { code: "UNKNOWN_NAME"; what: string; name: string; known: string[] }
  /** A setting lies outside its range. */
  | { code: "BAD_SETTING"; setting: string; value: number | string; expected: string }
  /** A workload has no request in the time that counts. */
  | { code: "EMPTY_WORKLOAD"; functions: number; minutes: number }
  /** A function asks for more than any single node has, or rules leave it no node. */
  | { code: "NO_NODE_FITS"; functionName: string; problem: string }
  /** A scheduler chose a node that the mask forbids, or that does not exist. */
  | { code: "BAD_DECISION"; scheduler: string; node: number; problem: string }
  /** An exact method was asked for a case beyond what it can enumerate. */
  | { code: "CASE_TOO_LARGE"; size: number; limit: number }
  /** A rule of a policy document is malformed. */
  | { code: "BAD_POLICY"; rule: number; problem: string }
  /** An audit log was changed after it was written. */
  | { code: "AUDIT_BROKEN"; entry: number; problem: string };

/** Any failure of this package. */
export class CncError extends DomainError<CncFailure> {}

/**
 * Throws unless the condition holds: for settings that a caller gives.
 *
 * @throws CncError `BAD_SETTING`
 */
export function requireSetting(
  condition: boolean,
  setting: string,
  value: number | string,
  expected: string,
): asserts condition {
  if (condition) return;
  throw new CncError(`${setting} must be ${expected}, got ${value}`, {
    code: "BAD_SETTING",
    setting,
    value,
    expected,
  });
}

/** The error for a file whose content is not what its format says. */
export function badFile(path: string, line: number | undefined, problem: string): CncError {
  const at = line === undefined ? path : `${path}, line ${line}`;
  return new CncError(`${at}: ${problem}`, { code: "BAD_FILE", path, line, problem });
}

/** The error for a name that is not known. */
export function unknownName(what: string, name: string, known: readonly string[]): CncError {
  return new CncError(`there is no ${what} "${name}"; there are ${known.join(", ")}`, {
    code: "UNKNOWN_NAME",
    what,
    name,
    known: [...known],
  });
}
