import { getBoolean, getInteger, getNumber, getString, ops } from "@fmlab/ggml";
import { type ArchitectureTraits, traitsOf } from "../model/architectures.ts";
import {
  badModel,
  describeModel,
  type ModelDescription,
  unsupportedFeature,
} from "../model/description.ts";
import type { ModelFile } from "./interfaces.ts";

/** Factors in the computation of a model; 1 leaves a number as it is. */
export interface Scales {
  /** Of the scores of attention. */
  readonly attention: number;
  readonly embedding: number;
  /** Of what each half of a layer adds to its input. */
  readonly residual: number;
  readonly logits: number;
  /** Of the weights of a token's experts. */
  readonly expertWeights: number;
}

/** What the graphs need to know beside a model's description. */
export interface HyperParameters extends ModelDescription {
  readonly traits: ArchitectureTraits;
  /** Width of the queries of one token: all heads. */
  readonly queryLength: number;
  /** Width of the keys (and values) of one token: all key-value heads. */
  readonly keyLength: number;
  /** How positions turn queries and keys; undefined when they do not. */
  readonly rope: ops.RopeOptions | undefined;
  readonly scales: Scales;
}

/**
 * Reads every number the graphs depend on.
 * @throws MoeError `UNSUPPORTED_ARCHITECTURE` | `UNSUPPORTED_FEATURE` | `BAD_MODEL`
 * @throws GgufError `MISSING_KEY` | `WRONG_KEY`
 * @see llama.cpp src/llama-model.cpp `load_hparams` and llama-context.cpp (b7347)
 */
export function readHyperParameters(file: ModelFile): HyperParameters {
  const model = describeModel(file);
  const traits = traitsOf(model.architecture);
  const turns =
    !traits.isGranite || getBoolean(file, `${model.architecture}.rope.scaling.finetuned`, true);
  return {
    ...model,
    traits,
    queryLength: model.headCount * model.headLength,
    keyLength: model.headCountKv * model.headLength,
    rope: turns ? ropeOf(file, model, traits) : undefined,
    scales: scalesOf(file, model, traits),
  };
}

function ropeOf(
  file: ModelFile,
  model: ModelDescription,
  traits: ArchitectureTraits,
): ops.RopeOptions {
  const prefix = `${model.architecture}.rope`;
  const { headLength, contextLength } = model;
  const dimensions = getInteger(file, `${prefix}.dimension_count`, {
    min: 2,
    max: headLength,
    fallback: headLength,
  });
  if (dimensions % 2 !== 0) throw badModel(file, `rope.dimension_count ${dimensions} is odd`);
  const type = getString(file, `${prefix}.scaling.type`, "linear");
  if (type !== "none" && type !== "linear" && type !== "yarn") {
    throw unsupportedFeature(file, `positions scaled by "${type}"`, '"none", "linear" and "yarn"');
  }
  const factorOf = (key: string, fallback: number) =>
    getNumber(file, `${prefix}.${key}`, { min: 0, max: 1e6, fallback });
  const factor = factorOf("scaling.factor", factorOf("scale_linear", 0));
  const originalContext = getInteger(file, `${prefix}.scaling.original_context_length`, {
    max: 2 ** 31 - 1,
    fallback: contextLength,
  });
  return {
    dimensions,
    mode: traits.ropeMode === "neox" ? ops.ROPE_MODE.NEOX : ops.ROPE_MODE.NORMAL,
    frequencyBase: model.ropeFrequencyBase,
    frequencyScale: type === "none" || factor === 0 ? 1 : inverse(factor),
    originalContext: originalContext || contextLength,
    extFactor: type === "yarn" ? 1 : 0,
    attentionFactor: factorOf("scaling.attn_factor", 1),
  };
}

function scalesOf(file: ModelFile, model: ModelDescription, traits: ArchitectureTraits): Scales {
  const { architecture, headLength } = model;
  const read = (key: string, min = 0) =>
    getNumber(file, `${architecture}.${key}`, { min, max: 1e6 });
  const usual = inverse(Math.sqrt(headLength));
  const expertWeights = traits.scalesWeights ? read("expert_weights_scale") || 1 : 1;
  if (!traits.isGranite) {
    return { attention: usual, embedding: 1, residual: 1, logits: 1, expertWeights };
  }
  return {
    attention: read("attention.scale") || usual,
    embedding: read("embedding_scale") || 1,
    residual: read("residual_scale") || 1,
    logits: inverse(read("logit_scale", 1e-6)),
    expertWeights,
  };
}

/** `1 / x` as llama.cpp computes it, in single precision: rounded before and after. */
function inverse(x: number): number {
  return Math.fround(1 / Math.fround(x));
}
