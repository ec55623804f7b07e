import { activationMatrix } from "./activation-matrix.ts";
import { correctedGate } from "./corrected-gate.ts";
import { correlation } from "./correlation.ts";
import { crossLayer } from "./cross-layer.ts";
import { layerMap } from "./layer-map.ts";
import type { PredictorName } from "./names.ts";
import { none } from "./none.ts";
import { popularity } from "./popularity.ts";
import type { PredictorDefinition } from "./predictor.ts";
import { previousToken } from "./previous-token.ts";

/** Every predictor by its name. Adding one: its file, its name in `names.ts`, and a line here. */
export const PREDICTORS: Readonly<Record<PredictorName, PredictorDefinition>> = {
  none,
  "cross-layer": crossLayer,
  correlation,
  "activation-matrix": activationMatrix,
  "previous-token": previousToken,
  popularity,
  "layer-map": layerMap,
  "corrected-gate": correctedGate,
};
