import type { ExpertPredictor } from "../predictors/predictor.ts";
import { rankExperts } from "../predictors/rank-experts.ts";
import { RoutingCursor } from "../traces/routing-cursor.ts";
import type { Trace } from "../traces/trace.ts";
import { type ChoiceAccuracy, ChoiceTally } from "./choice-tally.ts";

/** How right a predictor is one layer ahead. */
export interface PredictorAccuracy extends ChoiceAccuracy {
  /**
   * The first layer with experts, predicted when the last layer of the token before had spoken;
   * only of predictors that can.
   */
  readonly firstLayer: { readonly slot: number; readonly wholeRouting: number } | null;
}

/**
 * Runs a predictor over a trace as a prefetcher would ask it, one layer ahead, and compares its
 * top-k with what the router chose. Where it has nothing to say nothing is right.
 *
 * @param wrapsAround  ask it for the first layer of the next token too
 * @returns by layer with experts but the first
 */
export function predictorAccuracy(
  trace: Trace,
  predictor: ExpertPredictor,
  wrapsAround: boolean,
): PredictorAccuracy {
  const { shape, tokenCount } = trace;
  const { expertCount, expertUsedCount: used, moeLayers } = shape;
  const places = moeLayers.length;
  const tally = new ChoiceTally(places - 1, used);
  const first = new ChoiceTally(1, used);
  const scores = new Float32Array(expertCount);
  const ranked = new Int32Array(used);
  const cursor = new RoutingCursor(trace);
  let count = 0;
  for (let token = 0; token < tokenCount; token++) {
    for (let place = 0; place < places; place++) {
      const routing = cursor.at(token, place);
      if (place > 0) tally.add(place - 1, routing.experts, ranked, count);
      else if (token > 0) first.add(0, routing.experts, ranked, count);
      predictor.observe(routing);
      const target = moeLayers[place + 1] ?? (wrapsAround ? moeLayers[0] : undefined);
      const isKnown = target !== undefined && predictor.predict(target, scores);
      count = isKnown ? rankExperts(scores, used, ranked) : 0;
    }
  }
  const { slot, wholeRouting } = first.accuracy();
  const firstLayer =
    wrapsAround && tokenCount > 1
      ? { slot: slot[0] ?? 0, wholeRouting: wholeRouting[0] ?? 0 }
      : null;
  return { ...tally.accuracy(), firstLayer };
}
