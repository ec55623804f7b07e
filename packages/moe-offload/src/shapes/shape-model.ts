import type { Architecture } from "../model/architectures.ts";
import { NAMED_SHAPES } from "../planner/named-shapes.ts";
import type { ShapeName } from "./shape-names.ts";

export { SHAPE_NAMES, type ShapeName } from "./shape-names.ts";

/** Every size of a model that its computation depends on; nothing of what it learned. */
export interface ShapeModel {
  readonly name: string;
  readonly architecture: Architecture;
  readonly layerCount: number;
  /** Layers at the start that have one dense network in place of experts. */
  readonly denseLead: number;
  readonly embeddingLength: number;
  readonly headCount: number;
  readonly headCountKv: number;
  /** Elements of one head of queries, keys or values. */
  readonly headLength: number;
  readonly expertCount: number;
  readonly expertUsedCount: number;
  /** Inner width of one routed expert. */
  readonly expertLength: number;
  /** Inner width of all shared experts together; 0 without. */
  readonly sharedLength: number;
  /** Inner width of layers without experts; 0 where all have some. */
  readonly denseLength: number;
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly ropeFrequencyBase: number;
  readonly rmsEpsilon: number;
  /** Queries, keys and values have biases. */
  readonly hasBiases: boolean;
  /** What was made smaller than published; undefined at true sizes. */
  readonly shrunk?: string;
}

/** What of a model the planner's sizes do not hold. */
type Rest = Pick<
  ShapeModel,
  "architecture" | "headCount" | "headCountKv" | "ropeFrequencyBase" | "rmsEpsilon"
>;

/** Of all models here. */
const HEAD_LENGTH = 128;

function published(name: ShapeName, rest: Rest): ShapeModel {
  const { dense, routing, ...shape } = NAMED_SHAPES[name];
  return {
    name: shape.name,
    ...rest,
    layerCount: routing.layerCount,
    denseLead: routing.layerCount - routing.moeLayers.length,
    embeddingLength: shape.embeddingLength,
    headLength: HEAD_LENGTH,
    expertCount: routing.expertCount,
    expertUsedCount: routing.expertUsedCount,
    expertLength: shape.expertLength,
    sharedLength: shape.sharedLength,
    denseLength: dense.denseLength,
    vocabularySize: dense.vocabulary,
    contextLength: dense.contextLength,
    hasBiases: rest.architecture === "qwen2moe",
  };
}

/** Published models that the engine computes; numbers from their configurations. */
export const SHAPE_MODELS = {
  "mixtral-8x7b": published("mixtral-8x7b", {
    architecture: "llama",
    headCount: 32,
    headCountKv: 8,
    ropeFrequencyBase: 1e6,
    rmsEpsilon: 1e-5,
  }),
  "mixtral-8x22b": published("mixtral-8x22b", {
    architecture: "llama",
    headCount: 48,
    headCountKv: 8,
    ropeFrequencyBase: 1e6,
    rmsEpsilon: 1e-5,
  }),
  "qwen1.5-moe-a2.7b": published("qwen1.5-moe-a2.7b", {
    architecture: "qwen2moe",
    headCount: 16,
    headCountKv: 16,
    ropeFrequencyBase: 1e6,
    rmsEpsilon: 1e-6,
  }),
  "deepseek-moe-16b": published("deepseek-moe-16b", {
    architecture: "deepseek",
    headCount: 16,
    headCountKv: 16,
    ropeFrequencyBase: 1e4,
    rmsEpsilon: 1e-6,
  }),
  "olmoe-1b-7b": published("olmoe-1b-7b", {
    architecture: "olmoe",
    headCount: 16,
    headCountKv: 16,
    ropeFrequencyBase: 1e4,
    rmsEpsilon: 1e-5,
  }),
  "qwen3-30b-a3b": published("qwen3-30b-a3b", {
    architecture: "qwen3moe",
    headCount: 32,
    headCountKv: 4,
    ropeFrequencyBase: 1e6,
    rmsEpsilon: 1e-6,
  }),
} as const satisfies Record<ShapeName, ShapeModel>;
