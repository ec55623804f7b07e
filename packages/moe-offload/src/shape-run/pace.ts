import type { LayerHook } from "../engine/interfaces.ts";
import { FREE_LINK } from "../tiers/link-schedule.ts";

/** A link without limits but the bandwidth that is set. */
export const NO_LINK = FREE_LINK;

/** Time that a token's phases took. */
export interface PhaseTimes {
  /** In which nothing could be computed because experts were missing, ms. */
  waitMs: number;
}

/**
 * A hook that makes layers take as long as on a slower machine, and measures waiting: from the
 * moment a layer's experts are there until its successor's router is known at least `layerMs` pass.
 */
export function paced(layerMs: number, nowMs: () => number, times: PhaseTimes): LayerHook {
  let begunMs = Number.NaN;
  let waitSinceMs = Number.NaN;
  return (phase) => {
    if (phase === "request" || phase === "idle") {
      if (layerMs > 0 && !Number.isNaN(begunMs)) {
        while (nowMs() - begunMs < layerMs);
      }
      if (phase === "idle") begunMs = Number.NaN;
    } else if (phase === "wait") waitSinceMs = nowMs();
    else if (phase === "experts") {
      const now = nowMs();
      if (!Number.isNaN(waitSinceMs)) times.waitMs += now - waitSinceMs;
      waitSinceMs = Number.NaN;
      begunMs = now;
    } else if (phase === "attention" && Number.isNaN(begunMs)) begunMs = nowMs();
  };
}
