/** States of a run, in the order people look for them. */
export const RUN_STATES = [
  "QUEUED",
  "CLAIMED",
  "RUNNING",
  "CANCELLING",
  "SUCCEEDED",
  "FAILED",
  "CANCELLED",
  "TIMED_OUT",
] as const;
export type RunStateName = (typeof RUN_STATES)[number];

/** True for a state that no run leaves. */
export const isTerminal = (state: string): boolean =>
  state === "SUCCEEDED" || state === "FAILED" || state === "CANCELLED" || state === "TIMED_OUT";
