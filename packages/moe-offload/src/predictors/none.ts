import type { PredictorDefinition } from "./predictor.ts";

/** Predicts nothing: every expert is loaded when the router has chosen it. */
export const none: PredictorDefinition = {
  name: "none",
  help: "Predicts nothing.",
  source: "no prediction",
  depthMax: 1,
  aheadDepth: 0,
  wrapsAround: false,
  create: () => ({ observe: () => {}, predict: () => false }),
};
