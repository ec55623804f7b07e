/** What a layer's missed experts cost, wherever they are computed. */
export interface MissTimes {
  /** Time until the link takes up what is asked of it now, ms. */
  readonly queueMs: number;
  /** Copying one expert over the link, ms. */
  readonly copyMs: number;
  /** Computing `count` experts on the CPU, handing them over included, ms; 0 for none. */
  readonly cpuMs: (count: number) => number;
}

/**
 * How many of a layer's missed experts the CPU computes, so that the layer has all of them the
 * soonest: link and CPU work at the same time, and the slower of the two decides. Experts of a
 * layer are equally large, so that their number is all there is to choose. Of equally good splits
 * the one with the most copies: what is copied is there the next time.
 *
 * @see Kamahori et al. 2024, arXiv:2402.07033 (Fiddler): activations move instead of weights where
 *      that is sooner; Zhong et al. 2025, arXiv:2504.05897 (HybriMoE): both at once, balanced
 * @returns 0 to `missing`
 */
export function splitMisses(missing: number, times: MissTimes): number {
  let best = 0;
  let bestMs = Number.POSITIVE_INFINITY;
  for (let onCpu = 0; onCpu <= missing; onCpu++) {
    const ms = spanOf(missing - onCpu, onCpu, times);
    if (ms < bestMs) {
      best = onCpu;
      bestMs = ms;
    }
  }
  return best;
}

/** When the last of the copied and the computed experts is there, ms. */
export function spanOf(copied: number, onCpu: number, times: MissTimes): number {
  const linkMs = copied === 0 ? 0 : times.queueMs + copied * times.copyMs;
  return Math.max(linkMs, times.cpuMs(onCpu));
}
