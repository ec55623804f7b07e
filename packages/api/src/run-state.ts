import type { AttemptState, RunState } from "@fmlab/db";
import { ApiError } from "./errors.ts";

/**
 * The life of runs and attempts: every state times every event, in one place. `null` means the
 * event is refused there. Only queue/apply-event.ts writes states, and only by these tables.
 *
 *     QUEUED -> CLAIMED -> RUNNING -> SUCCEEDED | FAILED | CANCELLED | TIMED_OUT
 *        ^         |          |
 *        +---------+----------+  the attempt was lost and attempts remain
 */
export const RUN_EVENTS = [
  /** A machine took it. */
  "claim",
  /** The attempt's process has started. */
  "start",
  /** A person wants it to end. */
  "cancel",
  "succeed",
  "fail",
  "timeOut",
  /** The agent reports that it ended by cancellation. */
  "endCancelled",
  /** The attempt was lost, and the run may be tried again. */
  "loseAndRetry",
  /** The attempt was lost, and it was the last one allowed. */
  "loseForGood",
] as const;
export type RunEvent = (typeof RUN_EVENTS)[number];

type Transitions<State extends string, Event extends string> = Record<
  State,
  Record<Event, State | null>
>;

const OVER = {
  claim: null,
  start: null,
  cancel: null,
  succeed: null,
  fail: null,
  timeOut: null,
  endCancelled: null,
  loseAndRetry: null,
  loseForGood: null,
} as const;

/** Every run state times every event. */
export const RUN_TRANSITIONS: Transitions<RunState, RunEvent> = {
  QUEUED: { ...OVER, claim: "CLAIMED", cancel: "CANCELLED" },
  CLAIMED: {
    claim: null,
    start: "RUNNING",
    cancel: "CANCELLING",
    // The message that it started may have been lost on the way.
    succeed: "SUCCEEDED",
    fail: "FAILED",
    timeOut: "TIMED_OUT",
    endCancelled: "CANCELLED",
    loseAndRetry: "QUEUED",
    loseForGood: "FAILED",
  },
  RUNNING: {
    claim: null,
    start: "RUNNING",
    cancel: "CANCELLING",
    succeed: "SUCCEEDED",
    fail: "FAILED",
    timeOut: "TIMED_OUT",
    endCancelled: "CANCELLED",
    loseAndRetry: "QUEUED",
    loseForGood: "FAILED",
  },
  CANCELLING: {
    claim: null,
    start: "CANCELLING",
    cancel: "CANCELLING",
    // It ended by itself before the order reached it: its result is true.
    succeed: "SUCCEEDED",
    fail: "FAILED",
    timeOut: "TIMED_OUT",
    endCancelled: "CANCELLED",
    // Nobody wants it any more, so a lost attempt is not tried again.
    loseAndRetry: "CANCELLED",
    loseForGood: "CANCELLED",
  },
  SUCCEEDED: OVER,
  FAILED: OVER,
  CANCELLED: OVER,
  TIMED_OUT: OVER,
};

/** What can happen to an attempt. */
export const ATTEMPT_EVENTS = [
  "start",
  "succeed",
  "fail",
  "timeOut",
  "endCancelled",
  "lose",
] as const;
export type AttemptEvent = (typeof ATTEMPT_EVENTS)[number];

const ATTEMPT_OVER = {
  start: null,
  succeed: null,
  fail: null,
  timeOut: null,
  endCancelled: null,
  lose: null,
} as const;

const ATTEMPT_LIVE = {
  start: "RUNNING",
  succeed: "SUCCEEDED",
  fail: "FAILED",
  timeOut: "TIMED_OUT",
  endCancelled: "CANCELLED",
  lose: "LOST",
} as const;

/** Every attempt state times every event. */
export const ATTEMPT_TRANSITIONS: Transitions<AttemptState, AttemptEvent> = {
  CLAIMED: ATTEMPT_LIVE,
  RUNNING: ATTEMPT_LIVE,
  SUCCEEDED: ATTEMPT_OVER,
  FAILED: ATTEMPT_OVER,
  CANCELLED: ATTEMPT_OVER,
  TIMED_OUT: ATTEMPT_OVER,
  LOST: ATTEMPT_OVER,
};

/** @throws ApiError `INVALID_TRANSITION` */
export function nextRunState(state: RunState, event: RunEvent): RunState {
  return RUN_TRANSITIONS[state][event] ?? refuse("run", state, event);
}

/** @throws ApiError `INVALID_TRANSITION` */
export function nextAttemptState(state: AttemptState, event: AttemptEvent): AttemptState {
  return ATTEMPT_TRANSITIONS[state][event] ?? refuse("attempt", state, event);
}

/** Nothing can happen to the run any more. */
export function isTerminal(state: RunState): boolean {
  return RUN_TRANSITIONS[state] === OVER;
}

/** The attempt may still report. */
export function isAttemptLive(state: AttemptState): boolean {
  return ATTEMPT_TRANSITIONS[state] === ATTEMPT_LIVE;
}

function refuse(what: string, state: string, event: string): never {
  throw new ApiError(`a ${what} that is ${state} cannot ${event}; nothing was changed`, {
    code: "INVALID_TRANSITION",
    state,
    event,
  });
}
