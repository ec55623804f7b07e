import type { GgufFile } from "@fmlab/ggml";
import { MoeError } from "../errors.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";
import { OffloadedModel, type OffloadOptions } from "../offload/offloaded-model.ts";
import { STRATEGIES } from "../offload/strategies.ts";
import { POLICIES } from "../policies/registry.ts";
import { modelIdentity } from "../precision/model-identity.ts";
import { PREDICTORS } from "../predictors/registry.ts";
import { FREE_LINK } from "../tiers/link-schedule.ts";
import { type CalibrationOptions, calibrate } from "./calibrate.ts";
import type { Calibration } from "./calibration.ts";
import { calibrationPath, readCalibration, writeCalibration } from "./calibration-file.ts";

/** Seed of the text that a model writes of itself: the same for all runs, so that files agree. */
const CALIBRATION_SEED = 1;

/** Where a calibration came from. */
export interface ObtainedCalibration {
  readonly calibration: Calibration;
  /** `file`: it lay beside the model. `made`, `text`: just now, on its own text or one given. */
  readonly origin: "file" | "made" | "text";
  /** Why it could not be kept beside the model, if so. */
  readonly notKept?: string;
}

/** True when a strategy learns from a calibration. */
export function isCalibrated({ policy, predictor, prefetch }: OffloadOptions["strategy"]): boolean {
  const isPredicting = prefetch.control !== "off";
  return (
    POLICIES[policy].learns === true || (isPredicting && PREDICTORS[predictor].learns === true)
  );
}

/**
 * The calibration beside the model file, or a new one, which is then kept there if it can be; on a
 * text that is given always a new one. Meanwhile experts come over no throttled link and LRU keeps
 * them.
 *
 * @param tokenCount  tokens to write when there is none
 * @throws what opening and decoding throw; MoeError `BAD_CALIBRATION` for a damaged file
 */
export function obtainCalibration(
  file: GgufFile,
  layout: ExpertLayout,
  options: OffloadOptions,
  request: Omit<CalibrationOptions, "seed">,
): ObtainedCalibration {
  const path = calibrationPath(file.path);
  const identity = modelIdentity(file);
  const known = request.text ? undefined : readCalibration(path, layout, identity);
  if (known) return { calibration: known, origin: "file" };
  const model = openUnthrottled(file, layout, options);
  try {
    const calibration = calibrate(model.engine, { ...request, seed: CALIBRATION_SEED });
    if (request.text) return { calibration, origin: "text" };
    try {
      writeCalibration(path, calibration, identity);
      return { calibration, origin: "made" };
    } catch (error) {
      if (!(error instanceof MoeError)) throw error;
      return { calibration, origin: "made", notKept: error.message };
    }
  } finally {
    model.close();
  }
}

function openUnthrottled(file: GgufFile, layout: ExpertLayout, options: OffloadOptions) {
  const totalBytes = layout.classes.reduce(
    (sum, { layers, expertBytes }) => sum + layers.length * layout.expertCount * expertBytes,
    0,
  );
  const fits = options.budgetBytes + options.host.budgetBytes >= totalBytes;
  return OffloadedModel.open(file, layout, {
    ...options,
    strategy: fits ? ALL_RESIDENT : STRATEGIES.lru,
    budgetBytes: fits ? totalBytes : options.budgetBytes,
    link: FREE_LINK,
    disk: FREE_LINK,
  });
}

const ALL_RESIDENT: OffloadOptions["strategy"] = {
  policy: "all-resident",
  predictor: "none",
  prefetch: { control: "off", width: 0, depth: 1 },
  readyFirst: false,
};
