import type { LayerHook } from "../engine/interfaces.ts";
import { FREE_LINK } from "../tiers/link-schedule.ts";

/** A link without limits but the bandwidth that is set. */
export const NO_LINK = FREE_LINK;

/** Share of a layer's time that routed experts take; what is before the router takes the rest. */
export const EXPERT_SHARE = 0.4;

/** Time that a token's phases took. */
export interface PhaseTimes {
  /** In which nothing could be computed because experts were missing, ms. */
  waitMs: number;
}

/**
 * A hook that makes layers take as long as on a slower machine, and measures waiting: from the
 * moment a layer's experts are there until its successor's router is known at least `layerMs` pass.
 * Only the experts' share of it hides what the CPU computes meanwhile.
 */
export function paced(layerMs: number, nowMs: () => number, times: PhaseTimes): LayerHook {
  let begunMs = Number.NaN;
  let waitSinceMs = Number.NaN;
  let isOnCpu = false;
  return (phase) => {
    if (isOnCpu && phase !== "cpu") {
      // The CPU is done: what comes after the experts begins now, if it has not.
      begunMs = Math.max(begunMs, nowMs() - EXPERT_SHARE * layerMs);
      isOnCpu = false;
    }
    if (phase === "request" || phase === "idle") {
      if (layerMs > 0 && !Number.isNaN(begunMs)) {
        while (nowMs() - begunMs < layerMs);
      }
      if (phase === "idle") begunMs = Number.NaN;
    } else if (phase === "cpu") isOnCpu = layerMs > 0;
    else if (phase === "wait") waitSinceMs = nowMs();
    else if (phase === "experts") {
      const now = nowMs();
      if (!Number.isNaN(waitSinceMs)) times.waitMs += now - waitSinceMs;
      waitSinceMs = Number.NaN;
      begunMs = now;
    } else if (phase === "attention" && Number.isNaN(begunMs)) begunMs = nowMs();
  };
}
