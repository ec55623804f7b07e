import type { ExpertPredictor } from "../predictors/predictor.ts";
import type { Trace } from "../traces/trace.ts";

/** Makes the predictor that is never wrong: it reads on in the trace that is replayed. */
export function oraclePredictor(trace: Trace): ExpertPredictor {
  const { experts, shape, tokenCount } = trace;
  const { expertUsedCount: used, moeLayers } = shape;
  let layer = -1;
  let token = -1;
  return {
    observe(routing) {
      layer = routing.layer;
      token = routing.token;
    },
    predict(target, scores) {
      const index = moeLayers.indexOf(target);
      const at = target > layer ? token : token + 1;
      if (index === -1 || at >= tokenCount) return false;
      scores.fill(0);
      const base = (at * moeLayers.length + index) * used;
      for (let i = 0; i < used; i++) scores[experts[base + i] ?? 0] = used - i;
      return true;
    },
  };
}
