import { type FailureCode, isDomainError } from "@fmlab/experiment";

/**
 * Failures that a run's config or files have caused, by the class that tells them: whoever launched
 * the run can mend them, so their message is enough. `*` stands for every other code of the class.
 * Codes that are missing here are faults of the experiment or of the machine.
 */
const USER_FAULTS: Readonly<Record<string, Readonly<Record<string, FailureCode>>>> = {
  ExperimentError: {
    BAD_CONFIG: "BAD_CONFIG",
    FORBIDDEN_PATH: "BAD_CONFIG",
    MISSING_FILE: "MISSING_FILE",
  },
  MoeError: {
    BAD_CALIBRATION: "BAD_CONFIG",
    BAD_MODEL: "BAD_CONFIG",
    BAD_SETTING: "BAD_CONFIG",
    BAD_TEXT: "BAD_CONFIG",
    BAD_TRACE: "BAD_CONFIG",
    BUDGET_TOO_SMALL: "BAD_CONFIG",
    CONFLICTING_SETTINGS: "BAD_CONFIG",
    CONTEXT_TOO_SMALL: "BAD_CONFIG",
    GROUP_TOO_LARGE: "BAD_CONFIG",
    NOT_CALIBRATED: "BAD_CONFIG",
    NO_TWIN: "BAD_CONFIG",
    UNSUPPORTED_ARCHITECTURE: "BAD_CONFIG",
    UNSUPPORTED_FEATURE: "BAD_CONFIG",
    UNSUPPORTED_TENSOR_TYPE: "BAD_CONFIG",
    UNSUPPORTED_TOKENIZER: "BAD_CONFIG",
  },
  EngineError: { BAD_OPTION: "BAD_CONFIG", CONTEXT_FULL: "BAD_CONFIG" },
  GgufError: { UNREADABLE: "MISSING_FILE", "*": "BAD_CONFIG" },
};

/** The code of a failure that config or files have caused; undefined for any other error. */
export function userFaultOf(error: unknown): FailureCode | undefined {
  if (!isDomainError(error)) return undefined;
  // By name, not by class: errors also come from another thread or another copy of a package.
  const known = USER_FAULTS[error.name];
  return known?.[error.code] ?? known?.["*"];
}
