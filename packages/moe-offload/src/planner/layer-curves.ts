import type { MissCurves } from "../policies/policy.ts";
import { POLICIES } from "../policies/registry.ts";
import { policyMissCurves } from "../replay/miss-curves.ts";
import type { PlanSetup, Prediction } from "./predict.ts";

/** Cache sizes at which misses are counted, shares of a layer's experts; between: interpolated. */
const SHARES = [1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4, 7 / 8];

/** Misses of our policy by slots of a layer, on the workload's tokens. */
export function measureMissCurves({ workload }: PlanSetup): MissCurves {
  const { trace, calibration } = workload;
  const { expertCount } = trace.shape;
  const sizes = SHARES.map((share) => Math.max(1, Math.round(share * expertCount)));
  const { popularity, reuseModel } = calibration;
  return policyMissCurves(trace, POLICIES.reuse, sizes, { popularity, reuseModel });
}

/**
 * The curves with what a miss costs in each layer: the time the computation waited there, over the
 * experts it demanded. A layer that never waited, or never missed, is worth what the average layer
 * is worth, as it may begin to.
 */
export function exposeCurves(curves: MissCurves, { result }: Prediction): MissCurves {
  const sums = result.layers.reduce(
    (sum, { demanded, stallMs }) => ({
      demanded: sum.demanded + demanded,
      stallMs: sum.stallMs + stallMs,
    }),
    { demanded: 0, stallMs: 0 },
  );
  const meanMs = sums.demanded > 0 ? sums.stallMs / sums.demanded : 0;
  const exposedMs = new Array<number>(curves.missesPerToken.length).fill(meanMs);
  for (const { demanded, layer, stallMs } of result.layers) {
    if (demanded > 0 && stallMs > 0) exposedMs[layer] = stallMs / demanded;
  }
  return { ...curves, exposedMs };
}
