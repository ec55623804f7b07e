import { QUEUE } from "../scheduling/scheduler.ts";
import { type Chooser, heuristicChooser } from "./learned-scheduler.ts";

/** A reserve for short requests: two numbers, found by trying them on training scenarios. */
export interface ReserveRule {
  /** Functions with a longer mean duration leave cores free, ms. */
  longMs: number;
  /** The share of the cluster's cores that the longest leave free. */
  share: number;
}

/** Reserves tried; the first is none at all: the heuristic itself. */
export const RESERVE_RULES: readonly ReserveRule[] = [
  { longMs: 1000, share: 0 },
  ...[1000, 4000].flatMap((longMs) =>
    [0.05, 0.1, 0.2, 0.35, 0.5].map((share) => ({ longMs, share })),
  ),
];

/** Durations above `longMs` by this factor (e cubed) leave the whole reserve. */
const LN_RAMP = 3;

/**
 * The heuristic with a reserve: a long request waits while few cores are free, since short ones
 * that come meanwhile would lose more by waiting for it to end than it loses by waiting for them.
 */
export function reserveTeacher({ longMs, share }: ReserveRule): Chooser {
  return {
    name: "reserve",
    choose(frame, request) {
      const fn = frame.view.fn(request.functionIndex);
      const ramp = Math.min(1, Math.log(Math.max(1, fn.meanDurationMs / longMs)) / LN_RAMP);
      const keep = share * ramp * frame.totalCores;
      const mayWait = frame.mask[frame.nodeCount] === 1;
      if (mayWait && frame.freeCores - fn.cores < keep - 1e-9) return QUEUE;
      return heuristicChooser.choose(frame, request);
    },
  };
}
