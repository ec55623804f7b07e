import { MoeError } from "../errors.ts";
import type { Strategy } from "../offload/strategies.ts";
import type { ReplayResult } from "../replay/replay-result.ts";
import { replayBestPossible, replayStrategy } from "../replay/strategy-replay.ts";
import { replayMachine } from "./plan-cell.ts";
import type { MeasuredMachine } from "./shape-cell.ts";
import type { ShapeBench } from "./shape-job.ts";

/** What somebody who knows more than any strategy can would do with as many slots; replayed. */
export interface Foresight {
  readonly slots: number;
  /** Which part of the future is known. */
  readonly title: string;
  readonly tokenMs: number;
  /** Bytes a token of experts that had to come over the link to be used. */
  readonly missedBytes: number;
  /** `max(compute, missed bytes / link)`, and its share of the token's time. */
  readonly boundMs: number;
  readonly boundShare: number;
}

/**
 * Evicts what is used again the latest, but foresees no more than the cross-layer gate does. Waits
 * for all experts of a layer before it computes any, as the engine does on a card.
 */
const BELADY_WITH_GATE: Strategy = {
  policy: "belady",
  predictor: "cross-layer",
  prefetch: { control: "fixed", width: 4, depth: 1 },
  readyFirst: false,
};

/**
 * Replays the measured texts in virtual time for those who know the future: how near anybody comes
 * to the bound, since experts are missed in bursts and the bound counts them evenly. Simulated,
 * with the times measured of the machine.
 *
 * @returns one of each kind; none where there are too few slots
 */
export function foresightOf(
  bench: ShapeBench,
  slots: number,
  machine: MeasuredMachine,
): Foresight[] {
  const { calibration, routing } = bench;
  const replayed = replayMachine(bench, slots, machine);
  const ways: [string, () => ReplayResult][] = [
    [
      "Belady's eviction, cross-layer gate",
      () => replayStrategy(routing.trace, BELADY_WITH_GATE, replayed, calibration),
    ],
    [
      "Belady's eviction, every prediction right",
      () => replayBestPossible(routing.trace, replayed),
    ],
  ];
  return ways.flatMap(([title, replay]) => {
    try {
      return [foresight(bench, machine, { slots, title, result: replay() })];
    } catch (error) {
      if (error instanceof MoeError && error.code === "BUDGET_TOO_SMALL") return [];
      throw error;
    }
  });
}

function foresight(
  { layout }: ShapeBench,
  { computeMs, linkMBps }: MeasuredMachine,
  { result, slots, title }: { result: ReplayResult; slots: number; title: string },
): Foresight {
  const { counts, elapsedMs, tokenCount } = result;
  const missed = counts.demanded + counts.prefetchesUsed;
  const missedBytes = (missed * layout.expertBytes) / tokenCount;
  const tokenMs = elapsedMs / tokenCount;
  const boundMs = Math.max(computeMs, missedBytes / 1e3 / linkMBps);
  return { slots, title, tokenMs, missedBytes, boundMs, boundShare: boundMs / tokenMs };
}
