import { type Autoscaler, WindowMean } from "./autoscaler.ts";

/** Settings of Knative's pod autoscaler, with its defaults. */
export interface KpaOptions {
  /** Requests in flight a replica is meant to have: 100 at 70 %. */
  target: number;
  stableWindowMs: number;
  /** Of the stable window. */
  panicWindowShare: number;
  panicThreshold: number;
  maxScaleUpRate: number;
  maxScaleDownRate: number;
  scaleToZeroGraceMs: number;
}

/** Knative's defaults (paper notes, 3.2). */
export const KPA_DEFAULTS: KpaOptions = {
  target: 100 * 0.7,
  stableWindowMs: 60_000,
  panicWindowShare: 0.1,
  panicThreshold: 2,
  maxScaleUpRate: 1000,
  maxScaleDownRate: 2,
  scaleToZeroGraceMs: 30_000,
};

/** What one evaluation comes to. */
export interface KpaEvaluation {
  /** Replicas by the stable and by the panic window, within the rates. */
  stable: number;
  panic: number;
  isOverPanicThreshold: boolean;
}

/**
 * One evaluation of Knative's autoscaler.
 *
 * @param observed mean concurrency over the stable and the panic window
 * @param ready replicas; at least one counts
 * @see knative/serving pkg/autoscaler/scaling/autoscaler.go
 */
export function evaluateKpa(
  observed: { stable: number; panic: number },
  ready: number,
  options: Pick<KpaOptions, "target" | "panicThreshold" | "maxScaleUpRate" | "maxScaleDownRate">,
): KpaEvaluation {
  const pods = Math.max(1, ready);
  const maxUp = Math.ceil(options.maxScaleUpRate * pods);
  const maxDown = Math.floor(pods / options.maxScaleDownRate);
  const byStable = Math.ceil(observed.stable / options.target);
  const byPanic = Math.ceil(observed.panic / options.target);
  const clamp = (wish: number) => Math.min(Math.max(wish, maxDown), maxUp);
  return {
    stable: clamp(byStable),
    panic: clamp(byPanic),
    isOverPanicThreshold: byPanic / pods >= options.panicThreshold,
  };
}

/** Knative's pod autoscaler on concurrency, every 2 seconds; scales to zero after the grace. */
export function knativePodAutoscaler(options: Partial<KpaOptions> = {}): Autoscaler {
  const settings = { ...KPA_DEFAULTS, ...options };
  const stable = new WindowMean(settings.stableWindowMs);
  const panic = new WindowMean(settings.stableWindowMs * settings.panicWindowShare);
  let panicSinceMs: number | undefined;
  let panicMost = 0;
  let emptySinceMs: number | undefined;
  return {
    name: "kpa",
    tickMs: 2000,
    desired({ nowMs, ready, concurrency }) {
      stable.add(nowMs, concurrency);
      panic.add(nowMs, concurrency);
      const observed = { stable: stable.mean(), panic: panic.mean() };
      const found = evaluateKpa(observed, ready, settings);
      if (found.isOverPanicThreshold) panicSinceMs = nowMs;
      else if (panicSinceMs !== undefined && nowMs > panicSinceMs + settings.stableWindowMs) {
        panicSinceMs = undefined;
        panicMost = 0;
      }
      if (panicSinceMs !== undefined) {
        // Never down while in panic.
        panicMost = Math.max(panicMost, found.stable, found.panic);
        return panicMost;
      }
      if (found.stable > 0 || observed.stable > 0) {
        emptySinceMs = undefined;
        return Math.max(1, found.stable);
      }
      emptySinceMs ??= nowMs;
      return nowMs - emptySinceMs >= settings.scaleToZeroGraceMs ? 0 : 1;
    },
  };
}
