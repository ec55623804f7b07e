import type { FailureCode } from "@fmlab/experiment";

const ADVICE: Record<FailureCode, { title: string; advice: string }> = {
  BAD_CONFIG: {
    title: "The config is not valid",
    advice: "Use “Clone and edit”, mend the fields named below, and launch again.",
  },
  MISSING_FILE: {
    title: "A file is missing on the machine",
    advice: "Put the file in the runner's models or data folder, then retry.",
  },
  EXPERIMENT_ERROR: {
    title: "The experiment failed",
    advice: "The log tells what it did last. Retry runs the same config and seed again.",
  },
  OUT_OF_MEMORY: {
    title: "The machine ran out of memory",
    advice: "Use “Clone and edit” for a smaller config, or run it on a larger machine.",
  },
  KILLED_BY_SIGNAL: {
    title: "The process was killed",
    advice: "The system or an operator stopped it from outside. Retry, and watch the machine.",
  },
  TIMED_OUT: {
    title: "The time limit passed",
    advice: "Launch it with a longer limit, or use “Clone and edit” to do less work.",
  },
  HOST_LOST: {
    title: "The machine stopped answering",
    advice: "Check that the runner is up and reaches the server, then retry.",
  },
  CANCELLED: {
    title: "The run was cancelled",
    advice: "Retry runs the same config and seed again.",
  },
  VERSION_MISMATCH: {
    title: "Runner and server have different versions",
    advice: "Update the older of the two, then retry.",
  },
};

/** What a failure means and what to do about it. */
export function failureAdvice(code: string): { title: string; advice: string } {
  return (
    ADVICE[code as FailureCode] ?? { title: "The run failed", advice: "The log may tell more." }
  );
}
