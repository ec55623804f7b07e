import type { Prng } from "@fmlab/sim";
import type { Strategy } from "./scenario.ts";

/** Votes that make a block final where they arrive. */
const FINAL_KINDS = ["precommit", "commit", "vote"];
/** Types of consensus messages; votes by their kind. */
export const MESSAGE_TYPES = [
  ...FINAL_KINDS,
  "prevote",
  "prepare",
  "proposal",
  "polka",
  "timeout",
  "pre-prepare",
  "view-change",
  "blocks",
];

/** What strategies are drawn for. */
export interface StrategyFrame {
  /** Correct validators that an equivocator tells one story each. */
  readonly sides: readonly (readonly number[])[];
  /** The correct validators. */
  readonly others: readonly number[];
  /** When the network has settled, ms. */
  readonly settledMs: number;
}

/** Draws the details of one strategy of a kind. */
export function drawStrategy(prng: Prng, kind: Strategy["kind"], frame: StrategyFrame): Strategy {
  const { sides, others, settledMs } = frame;
  const some = () => others.filter(() => prng.chance(0.5));
  switch (kind) {
    case "equivocate":
      return { kind, sides };
    case "withhold": {
      const to = some();
      const types = MESSAGE_TYPES.filter(() => prng.chance(0.4));
      return prng.chance(0.5) ? { kind, to } : { kind, to, types };
    }
    case "delay":
      return { kind, to: some(), delayMs: 1 + prng.nextInt(400) };
    case "stale-snapshot":
      return { kind, atMs: prng.nextInt(settledMs + 500), blocksBack: prng.nextInt(3) };
    case "censor":
    case "invalid-payload":
    case "stale-proposal":
    case "false-vote":
      return { kind };
  }
}
