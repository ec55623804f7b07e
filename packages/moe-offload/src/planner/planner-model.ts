import type { GgufFile } from "@fmlab/ggml";
import type { ModelDescription } from "../model/description.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";
import type { RoutingShape } from "../offload/routing.ts";
import { expertBytes, type StorageType } from "../traces/model-shapes.ts";
import type { NamedShape, PlannedShape } from "./named-shapes.ts";
import { NAMED_SHAPES } from "./named-shapes.ts";

/** Bytes that one token reads beside routed experts. */
export interface DenseBytes {
  /** One layer's attention and router, and a network without experts, mean over the layers. */
  readonly attention: number;
  /** One layer's shared expert. */
  readonly shared: number;
  /** One layer without experts: its attention and its network. */
  readonly dense: number;
  readonly head: number;
  /** All weights that are no routed experts, the embedding included. */
  readonly all: number;
}

/** What a plan must know of a model, be it a file or only a shape. */
export interface PlannerModel {
  readonly name: string;
  readonly shape: RoutingShape;
  /** By layer. */
  readonly expertBytes: (layer: number) => number;
  /** All routed experts. */
  readonly allExpertBytes: number;
  readonly dense: DenseBytes;
  /** What a token adds to the KV cache, all layers, bytes. */
  readonly kvBytesPerToken: number;
  readonly contextLength: number;
  /** Weights of one expert, for the work that more tokens make. */
  readonly expertWeights: number;
  /** Name of the shape, where the paper's machines are known to have run it. */
  readonly namedShape?: NamedShape;
}

/** KV caches hold F16. */
const KV_ELEMENT_BYTES = 2;

/** The sizes of a model file, from its header. */
export function modelFromFile(
  file: Pick<GgufFile, "tensors">,
  model: ModelDescription,
  layout: ExpertLayout,
): PlannerModel {
  const sums = { attention: 0, shared: 0, network: 0, denseLayers: 0, output: 0, embedding: 0 };
  let all = 0;
  for (const { name, sizeBytes } of file.tensors.values()) {
    if (/_exps\./.test(name)) continue;
    all += sizeBytes;
    if (/_shexp\./.test(name)) sums.shared += sizeBytes;
    else if (/^blk\.\d+\.ffn_(gate|up|down)\.weight$/.test(name)) sums.network += sizeBytes;
    else if (name.startsWith("blk.")) sums.attention += sizeBytes;
    else if (name.startsWith("output")) sums.output += sizeBytes;
    else if (name.startsWith("token_embd")) sums.embedding += sizeBytes;
  }
  const attention = sums.attention / model.layerCount;
  const denseCount = model.layerCount - model.moeLayers.length;
  return {
    name: model.name,
    shape: layout,
    expertBytes: (layer) => layout.classOfLayer(layer).expertBytes,
    allExpertBytes: sumOver(layout.moeLayers, (layer) => {
      return layout.expertCount * layout.classOfLayer(layer).expertBytes;
    }),
    dense: {
      attention,
      shared: sums.shared / model.moeLayers.length,
      dense: denseCount === 0 ? 0 : attention + sums.network / denseCount,
      head: file.tensors.has("output.weight") ? sums.output : sums.embedding,
      all,
    },
    kvBytesPerToken: 2 * model.layerCount * model.headCountKv * model.headLength * KV_ELEMENT_BYTES,
    contextLength: model.contextLength,
    expertWeights: 3 * model.embeddingLength * model.expertFeedForwardLength,
  };
}

/**
 * The sizes of a published model whose weights are not at hand.
 *
 * @param storage  type of the routed experts; everything else is counted as F16
 * @param ownExpertBytes  bytes of an expert where they are known; 0 takes them from `storage`
 */
export function modelFromShape(
  name: NamedShape,
  storage: StorageType,
  ownExpertBytes = 0,
): PlannerModel {
  const shape: PlannedShape = NAMED_SHAPES[name];
  const { dense, embeddingLength, expertLength, routing, sharedLength } = shape;
  const bytes = ownExpertBytes || expertBytes(shape, storage);
  const f16 = (weights: number) => 2 * weights;
  const attention = f16(dense.attentionWeights + embeddingLength * routing.expertCount);
  const shared = f16(3 * embeddingLength * sharedLength);
  const network = f16(3 * embeddingLength * dense.denseLength);
  const head = f16(dense.vocabulary * embeddingLength);
  const denseLayers = routing.layerCount - routing.moeLayers.length;
  return {
    name: shape.name,
    namedShape: name,
    shape: routing,
    expertBytes: () => bytes,
    allExpertBytes: routing.moeLayers.length * routing.expertCount * bytes,
    dense: {
      attention,
      shared,
      dense: attention + network,
      head,
      all:
        routing.layerCount * attention +
        routing.moeLayers.length * shared +
        denseLayers * network +
        2 * head,
    },
    kvBytesPerToken: routing.layerCount * dense.kvElements * KV_ELEMENT_BYTES,
    contextLength: dense.contextLength,
    expertWeights: 3 * embeddingLength * expertLength,
  };
}

function sumOver(values: readonly number[], of: (value: number) => number): number {
  return values.reduce((sum, value) => sum + of(value), 0);
}
