import { MODEL_SHAPES, type ModelShape } from "../traces/model-shapes.ts";

/** What of a model is not a routed expert, as far as sizes go; from published configurations. */
export interface DenseDimensions {
  /** Weights of one layer's attention. */
  readonly attentionWeights: number;
  /** Elements that a token adds to the KV cache of one layer, keys and values together. */
  readonly kvElements: number;
  readonly vocabulary: number;
  /** Inner width of the network of layers without experts; 0 where all have some. */
  readonly denseLength: number;
  readonly contextLength: number;
}

/** A model without weights that can be planned for. */
export interface PlannedShape extends ModelShape {
  readonly dense: DenseDimensions;
}

/** Attention with `heads` heads of queries and `kvHeads` of keys and values, 128 elements each. */
function grouped(
  shape: ModelShape,
  heads: readonly [heads: number, kvHeads: number],
  rest: Omit<DenseDimensions, "attentionWeights" | "kvElements">,
): PlannedShape {
  const [queries, pairs] = heads.map((count) => count * 128) as [number, number];
  const attentionWeights = shape.embeddingLength * (2 * queries + 2 * pairs);
  return { ...shape, dense: { attentionWeights, kvElements: 2 * pairs, ...rest } };
}

const layersFrom = (first: number, end: number) =>
  Array.from({ length: end - first }, (_, i) => first + i);

/** DeepSeek-V2-Lite, the model of MoE-Infinity's README; attention keeps a latent of 512 + 64. */
const DEEPSEEK_V2_LITE: PlannedShape = {
  name: "DeepSeek-V2-Lite",
  routing: { layerCount: 27, expertCount: 64, expertUsedCount: 6, moeLayers: layersFrom(1, 27) },
  embeddingLength: 2048,
  expertLength: 1408,
  sharedLength: 2816,
  dense: {
    // Queries 16 x 192, latent 576, its keys and values 16 x 256, output 16 x 128.
    attentionWeights: 2048 * 3072 + 2048 * 576 + 512 * 4096 + 2048 * 2048,
    kvElements: 576,
    vocabulary: 102_400,
    denseLength: 10_944,
    contextLength: 32_768,
  },
};

/** The papers' models, with what is not in their experts. */
export const NAMED_SHAPES = {
  "mixtral-8x7b": grouped(MODEL_SHAPES["mixtral-8x7b"], [32, 8], {
    vocabulary: 32_000,
    denseLength: 0,
    contextLength: 32_768,
  }),
  "mixtral-8x22b": grouped(MODEL_SHAPES["mixtral-8x22b"], [48, 8], {
    vocabulary: 32_768,
    denseLength: 0,
    contextLength: 65_536,
  }),
  "qwen1.5-moe-a2.7b": grouped(MODEL_SHAPES["qwen1.5-moe-a2.7b"], [16, 16], {
    vocabulary: 151_936,
    denseLength: 0,
    contextLength: 8192,
  }),
  "deepseek-moe-16b": grouped(MODEL_SHAPES["deepseek-moe-16b"], [16, 16], {
    vocabulary: 102_400,
    denseLength: 10_944,
    contextLength: 4096,
  }),
  "deepseek-v2-lite": DEEPSEEK_V2_LITE,
  "olmoe-1b-7b": grouped(MODEL_SHAPES["olmoe-1b-7b"], [16, 16], {
    vocabulary: 50_304,
    denseLength: 0,
    contextLength: 4096,
  }),
  "qwen3-30b-a3b": grouped(MODEL_SHAPES["qwen3-30b-a3b"], [32, 4], {
    vocabulary: 151_936,
    denseLength: 0,
    contextLength: 40_960,
  }),
} as const satisfies Record<string, PlannedShape>;

/** A name of `NAMED_SHAPES`. */
export type NamedShape = keyof typeof NAMED_SHAPES;
/** The names of `NAMED_SHAPES`. */
export const NAMED_SHAPE_NAMES = Object.keys(NAMED_SHAPES) as NamedShape[];
