import { type Failure, type FailureCode, isDomainError } from "@fmlab/experiment";
import type { AbortCause } from "./child-messages.ts";
import { userFaultOf } from "./user-faults.ts";

/** What an error of an experiment's own process means for its run. */
export function failureOf(error: unknown, aborted: AbortCause | undefined): Failure {
  const message = error instanceof Error ? error.message : String(error);
  const detail = error instanceof Error ? error.stack : undefined;
  if (aborted === "timed-out") return { code: "TIMED_OUT", message: "the time limit has passed" };
  if (aborted === "cancelled") return { code: "CANCELLED", message: "the run was cancelled" };
  const code = codeOf(error, message);
  const isUnexplained = code === "OUT_OF_MEMORY" && !isOutOfVram(error);
  const isExplained = code !== "EXPERIMENT_ERROR" && !isUnexplained;
  return { code, message, ...(isExplained ? {} : { detail: withCauses(detail, error) }) };
}

/** Says itself which part does not fit, and what would. */
const isOutOfVram = (error: unknown): boolean =>
  isDomainError(error) && error.code === "OUT_OF_VRAM";

function codeOf(error: unknown, message: string): FailureCode {
  const fault = userFaultOf(error);
  if (fault !== undefined) return fault;
  if (isDomainError(error)) {
    switch (error.code) {
      case "UNKNOWN_EXPERIMENT":
      case "BROKEN_DEFINITION":
      case "VERSION_MISMATCH":
        return "VERSION_MISMATCH";
      case "CANCELLED":
        return "CANCELLED";
      case "OUT_OF_VRAM":
      case "ALLOCATION_FAILED":
      case "HOST_MEMORY_UNAVAILABLE":
        return "OUT_OF_MEMORY";
    }
  }
  // V8 throws these instead of ending the process when a buffer, not the heap, cannot be had.
  if (error instanceof RangeError && /allocation failed|could not allocate/i.test(message))
    return "OUT_OF_MEMORY";
  if (/std::bad_alloc|ENOMEM|cannot allocate memory/i.test(message)) return "OUT_OF_MEMORY";
  return "EXPERIMENT_ERROR";
}

function withCauses(stack: string | undefined, error: unknown): string | undefined {
  let told = stack;
  let cause = error instanceof Error ? error.cause : undefined;
  for (let depth = 0; cause instanceof Error && depth < 5; depth++) {
    told = `${told ?? ""}\ncaused by: ${cause.stack ?? cause.message}`;
    cause = cause.cause;
  }
  return told?.slice(0, 20_000);
}
