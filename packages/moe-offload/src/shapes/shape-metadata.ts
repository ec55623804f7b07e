import { traitsOf } from "../model/architectures.ts";
import { SHAPE_KEYS } from "./shape-label.ts";
import type { ShapeModel } from "./shape-model.ts";
import type { ShapeStorage } from "./shape-types.ts";

/** A metadata value of the kinds that a shape has; a `GgufValue`. */
export type ShapeValue =
  | { type: "string"; value: string }
  | { type: "uint32" | "float32"; value: number };

const text = (value: string): ShapeValue => ({ type: "string", value });
const count = (value: number): ShapeValue => ({ type: "uint32", value });
const fraction = (value: number): ShapeValue => ({ type: "float32", value: Math.fround(value) });

/**
 * The metadata of a shape: what its architecture is read from, and that it is one. There is no
 * tokenizer; llama.cpp takes such a file with a vocabulary of numbers.
 * @see llama.cpp src/llama-model.cpp `load_hparams`, src/llama-vocab.cpp model "none" (b7347)
 */
export function shapeMetadata(
  model: ShapeModel,
  storage: ShapeStorage,
): ReadonlyMap<string, ShapeValue> {
  const own = Object.entries(architectureKeys(model));
  return new Map<string, ShapeValue>([
    ["general.architecture", text(model.architecture)],
    ["general.name", text(`shape of ${model.name}`)],
    [SHAPE_KEYS.of, text(model.name)],
    [SHAPE_KEYS.shrunk, text(model.shrunk ?? "")],
    [SHAPE_KEYS.storage, text(`experts ${storage.experts}, other matrices ${storage.dense}`)],
    ["tokenizer.ggml.model", text("none")],
    ...own.map(([key, value]): [string, ShapeValue] => [`${model.architecture}.${key}`, value]),
  ]);
}

function architectureKeys(model: ShapeModel): Record<string, ShapeValue> {
  const { denseLength, expertLength, headLength, sharedLength } = model;
  const { expertWidth, hasDenseLead, scalesWeights, sharedExpert, sharedWidth } = traitsOf(
    model.architecture,
  );
  return {
    vocab_size: count(model.vocabularySize),
    context_length: count(model.contextLength),
    block_count: count(model.layerCount),
    embedding_length: count(model.embeddingLength),
    // Of dense layers, else of shared experts, else of the routed ones.
    feed_forward_length: count(denseLength || sharedLength || expertLength),
    "attention.head_count": count(model.headCount),
    "attention.head_count_kv": count(model.headCountKv),
    "attention.key_length": count(headLength),
    "attention.value_length": count(headLength),
    "attention.layer_norm_rms_epsilon": fraction(model.rmsEpsilon),
    "rope.dimension_count": count(headLength),
    "rope.freq_base": fraction(model.ropeFrequencyBase),
    expert_count: count(model.expertCount),
    expert_used_count: count(model.expertUsedCount),
    ...(expertWidth !== "feed_forward_length" && {
      expert_feed_forward_length: count(expertLength),
    }),
    ...(sharedExpert === "gated" && { expert_shared_feed_forward_length: count(sharedLength) }),
    ...(sharedWidth === "count" && { expert_shared_count: count(sharedLength / expertLength) }),
    ...(hasDenseLead && { leading_dense_block_count: count(model.denseLead) }),
    ...(scalesWeights && { expert_weights_scale: fraction(1) }),
  };
}
