import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  ATTEMPT_EVENTS,
  ATTEMPT_TRANSITIONS,
  isAttemptLive,
  isTerminal,
  nextAttemptState,
  nextRunState,
  RUN_EVENTS,
  RUN_TRANSITIONS,
} from "../src/run-state.ts";

/** Written out by hand from ARCHITECTURE's diagram; one letter a state, `.` is refused. */
const RUN_LETTERS = {
  Q: "QUEUED",
  C: "CLAIMED",
  R: "RUNNING",
  X: "CANCELLING",
  S: "SUCCEEDED",
  F: "FAILED",
  N: "CANCELLED",
  T: "TIMED_OUT",
} as const;
// Columns: claim start cancel succeed fail timeOut endCancelled loseAndRetry loseForGood
const RUN_TABLE = {
  QUEUED: "C.N......",
  CLAIMED: ".RXSFTNQF",
  RUNNING: ".RXSFTNQF",
  CANCELLING: ".XXSFTNNN",
  SUCCEEDED: ".........",
  FAILED: ".........",
  CANCELLED: ".........",
  TIMED_OUT: ".........",
} as const;

const ATTEMPT_LETTERS = {
  C: "CLAIMED",
  R: "RUNNING",
  S: "SUCCEEDED",
  F: "FAILED",
  N: "CANCELLED",
  T: "TIMED_OUT",
  L: "LOST",
} as const;
// Columns: start succeed fail timeOut endCancelled lose
const ATTEMPT_TABLE = {
  CLAIMED: "RSFTNL",
  RUNNING: "RSFTNL",
  SUCCEEDED: "......",
  FAILED: "......",
  CANCELLED: "......",
  TIMED_OUT: "......",
  LOST: "......",
} as const;

type RunKey = keyof typeof RUN_TABLE;
type AttemptKey = keyof typeof ATTEMPT_TABLE;
const runCases = (Object.keys(RUN_TABLE) as RunKey[]).flatMap((state) =>
  RUN_EVENTS.map((event, i) => [state, event, RUN_TABLE[state][i] ?? "?"] as const),
);
const attemptCases = (Object.keys(ATTEMPT_TABLE) as AttemptKey[]).flatMap((state) =>
  ATTEMPT_EVENTS.map((event, i) => [state, event, ATTEMPT_TABLE[state][i] ?? "?"] as const),
);

describe("a run", () => {
  it("has every state in the table", () => {
    expect(Object.keys(RUN_TRANSITIONS).sort()).toEqual(Object.keys(RUN_TABLE).sort());
    expect(runCases).toHaveLength(8 * 9);
  });

  it.each(runCases)("that is %s answers %s with %s", (state, event, letter) => {
    if (letter === ".") {
      expect(() => nextRunState(state, event)).toThrow(`that is ${state} cannot ${event}`);
    } else {
      expect(nextRunState(state, event)).toBe(RUN_LETTERS[letter as keyof typeof RUN_LETTERS]);
    }
  });

  it("is over exactly where nothing can happen", () => {
    for (const state of Object.keys(RUN_TABLE) as RunKey[]) {
      expect(isTerminal(state)).toBe(RUN_TABLE[state] === ".........");
    }
  });
});

describe("ARCHITECTURE's diagram of a run", () => {
  const text = readFileSync(new URL("../../../ARCHITECTURE.md", import.meta.url), "utf8");
  const [diagram = ""] = /^stateDiagram-v2$[^`]*/m.exec(text) ?? [];
  const arrows = [...diagram.matchAll(/^ *(\S+) --> ([^:\s]+)/gm)].map((m) => `${m[1]} ${m[2]}`);

  it("shows exactly the transitions of the table", () => {
    const states = Object.keys(RUN_TRANSITIONS) as RunKey[];
    const moves = states.flatMap((from) => {
      const targets = Object.values(RUN_TRANSITIONS[from]).filter((to) => to && to !== from);
      return isTerminal(from) ? [`${from} [*]`] : targets.map((to) => `${from} ${to}`);
    });
    expect([...arrows].sort()).toEqual([...new Set(["[*] QUEUED", ...moves])].sort());
  });
});

describe("an attempt", () => {
  it("has every state in the table", () => {
    expect(Object.keys(ATTEMPT_TRANSITIONS).sort()).toEqual(Object.keys(ATTEMPT_TABLE).sort());
  });

  it.each(attemptCases)("that is %s answers %s with %s", (state, event, letter) => {
    if (letter === ".") {
      expect(() => nextAttemptState(state, event)).toThrow(`that is ${state} cannot ${event}`);
    } else {
      const expected = ATTEMPT_LETTERS[letter as keyof typeof ATTEMPT_LETTERS];
      expect(nextAttemptState(state, event)).toBe(expected);
    }
  });

  it("is live exactly while it may report", () => {
    for (const state of Object.keys(ATTEMPT_TABLE) as AttemptKey[]) {
      expect(isAttemptLive(state)).toBe(state === "CLAIMED" || state === "RUNNING");
    }
  });
});
