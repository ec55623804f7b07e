import type { Violation } from "../adversary/safety-oracles.ts";

/** Letters of a block's name that are told. */
const NAME_LETTERS = 12;

/** A broken property in words, for tables and messages. */
export function tellViolation(violation: Violation): string {
  switch (violation.kind) {
    case "agreement": {
      const blocks = violation.blockIds.map((id) => id.slice(0, NAME_LETTERS)).join(", ");
      return `correct validators hold different blocks of height ${violation.height}: ${blocks}`;
    }
    case "validity":
      return `command ${violation.command} of height ${violation.height} came twice or from nobody`;
    case "liveness":
      return `no progress long after settling; heights ${violation.heights.join(", ")}`;
  }
}
