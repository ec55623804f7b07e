import type { RoutingShape } from "../offload/routing.ts";

/** A number somebody published, with where it stands. */
export interface PublishedNumber {
  readonly value: number;
  readonly source: string;
}

/** A model whose weights need not be at hand: what decides sizes and routing. */
export interface ModelShape {
  readonly name: string;
  readonly routing: RoutingShape;
  /** Width of a token's state, and of one routed expert's inner layer. */
  readonly embeddingLength: number;
  readonly expertLength: number;
  /** Inner width of all shared experts together; 0 without. */
  readonly sharedLength: number;
  /** Share of a layer's true experts among the top-k of its gate applied one layer earlier. */
  readonly crossLayerAccuracy?: PublishedNumber;
  /** Share of a token's experts that the token before used in the same layer. */
  readonly previousTokenReuse?: PublishedNumber;
}

/** Bits per weight of storage types, block scales included. */
export const BITS_PER_WEIGHT = { F16: 16, Q8_0: 8.5, Q4_0: 4.5, Q4_K: 4.5, Q2_K: 2.625 } as const;
/** A storage type of `BITS_PER_WEIGHT`. */
export type StorageType = keyof typeof BITS_PER_WEIGHT;

/** Bytes of one routed expert: gate, up and down matrix. */
export function expertBytes(shape: ModelShape, type: StorageType): number {
  const weights = 3 * shape.embeddingLength * shape.expertLength;
  return Math.round((weights * BITS_PER_WEIGHT[type]) / 8);
}

const FATE_ACCURACY: PublishedNumber = {
  value: 0.788,
  source: "Fate, arXiv 2502.12224, base cross-layer accuracy in decode (second-hand)",
};

/** The models of the papers; dimensions from their published configurations. */
export const MODEL_SHAPES = {
  "mixtral-8x7b": define("Mixtral 8x7B", [32, 0, 8, 2], [4096, 14_336, 0]),
  "mixtral-8x22b": define("Mixtral 8x22B", [56, 0, 8, 2], [6144, 16_384, 0]),
  "qwen1.5-moe-a2.7b": {
    ...define("Qwen1.5-MoE-A2.7B", [24, 0, 60, 4], [2048, 1408, 5632]),
    crossLayerAccuracy: FATE_ACCURACY,
  },
  "deepseek-moe-16b": {
    ...define("DeepSeekMoE 16B", [28, 1, 64, 6], [2048, 1408, 2816]),
    crossLayerAccuracy: FATE_ACCURACY,
  },
  "olmoe-1b-7b": define("OLMoE 1B-7B", [16, 0, 64, 8], [2048, 1024, 0]),
  "qwen3-30b-a3b": {
    ...define("Qwen3-30B-A3B", [48, 0, 128, 8], [2048, 768, 0]),
    crossLayerAccuracy: {
      value: 0.886,
      source: "BigMoeOnEdge, stale-gate slot accuracy (second-hand)",
    },
    previousTokenReuse: {
      value: 0.433,
      source: "BigMoeOnEdge, previous-token predictor (second-hand)",
    },
  },
} as const satisfies Record<string, ModelShape>;

/** A name of `MODEL_SHAPES`. */
export type ModelShapeName = keyof typeof MODEL_SHAPES;

function define(
  name: string,
  [layerCount, denseLead, expertCount, expertUsedCount]: [number, number, number, number],
  [embeddingLength, expertLength, sharedLength]: [number, number, number],
): ModelShape {
  const moeLayers = Array.from({ length: layerCount - denseLead }, (_, i) => denseLead + i);
  const routing = { layerCount, expertCount, expertUsedCount, moeLayers };
  return { name, routing, embeddingLength, expertLength, sharedLength };
}
