import type { Device, Tensor } from "@fmlab/ggml";
import { isMoeLayer } from "../model/description.ts";
import type { HyperParameters } from "./hyper-parameters.ts";
import type { ModelFile } from "./interfaces.ts";
import { type MatrixGroup, WeightLoader } from "./weight-loader.ts";

export type { MatrixGroup } from "./weight-loader.ts";

/** A gated network that sees every token: a shared expert, or a layer without experts. */
export interface FeedForwardWeights {
  readonly gateUp: MatrixGroup; // [width, inner] twice
  readonly down: Tensor; // [inner, width]
}

/** Everything of one layer but its router and its routed experts. */
export interface LayerWeights {
  readonly attentionNorm: Tensor; // [width]
  readonly qkv: MatrixGroup; // [width, queryLength], [width, keyLength] twice
  readonly qkvBias: MatrixGroup | undefined; // as rows of one, [length]
  /** Norms of queries and keys, `[headLength]` or `[queryLength]` and `[keyLength]`. */
  readonly queryKeyNorms: readonly [Tensor, Tensor] | undefined;
  readonly attentionOutput: Tensor; // [queryLength, width]
  readonly attentionOutputBias: Tensor | undefined; // [width]
  readonly feedForwardNorm: Tensor; // [width]
  readonly shared: FeedForwardWeights | undefined;
  /** The whole network of a layer without experts. */
  readonly dense: FeedForwardWeights | undefined;
}

/** All weights but the routed experts, in memory. */
export interface ModelWeights {
  readonly embedding: Tensor; // [width, vocabulary], in memory of the host
  readonly outputNorm: Tensor; // [width]
  readonly output: Tensor; // [width, vocabulary]: may be the embedding
  readonly ropeFactors: Tensor | undefined; // [ropeDimensions / 2]
  readonly layers: readonly LayerWeights[];
  /**
   * The routers of the layers with experts, by rising layer: `[width, experts]`, each followed by
   * the gate of the shared expert `[width, 1]` if it has one. Lying behind each other, those of
   * following layers can be multiplied with one layer's state in the same product.
   */
  readonly routers: MatrixGroup;
  /** Frees the memory. */
  close(): void;
}

/**
 * Loads every dense weight of the model.
 * @throws MoeError `BAD_MODEL` for a wrong shape or weights that are not finite,
 *         `UNSUPPORTED_TENSOR_TYPE`, `UNSUPPORTED_FEATURE` for a tensor without a place
 * @throws GgufError `MISSING_TENSOR` | `TRUNCATED` | `UNREADABLE`
 */
export function loadWeights(file: ModelFile, model: HyperParameters, device: Device): ModelWeights {
  const tensorCountMax = model.layerCount * TENSORS_PER_LAYER + 8;
  const loader = new WeightLoader(file, device, tensorCountMax);
  try {
    const weights = declare(loader, model);
    loader.requireNoOthers();
    loader.load();
    return weights;
  } catch (error) {
    loader.close();
    throw error;
  }
}

// Per layer: some 20 tensors with their stacks and parts; chosen with room to spare.
const TENSORS_PER_LAYER = 32;

function declare(loader: WeightLoader, model: HyperParameters): ModelWeights {
  const { embeddingLength: width, vocabularySize, layerCount, traits, rope } = model;
  const shape = [width, vocabularySize];
  const embedding = loader.table("token_embd.weight", shape);
  const isTied = traits.tiesOutput && !loader.has("output.weight");
  const factors = "rope_freqs.weight";
  return {
    embedding,
    outputNorm: loader.vector("output_norm.weight", width),
    output: loader.matrix(isTied ? "token_embd.weight" : "output.weight", shape, embedding),
    ropeFactors:
      rope && traits.hasRopeFactors && loader.has(factors)
        ? loader.vector(factors, rope.dimensions / 2)
        : undefined,
    layers: Array.from({ length: layerCount }, (_, layer) => declareLayer(loader, model, layer)),
    routers: declareRouters(loader, model),
    close: () => loader.close(),
  };
}

function declareLayer(loader: WeightLoader, model: HyperParameters, layer: number): LayerWeights {
  const { embeddingLength: width, queryLength, keyLength, traits } = model;
  const name = (tail: string) => `blk.${layer}.${tail}`;
  const lengths = { q: queryLength, k: keyLength, v: keyLength };
  const parts = (tail: "weight" | "bias") =>
    (["q", "k", "v"] as const).map((matrix) => ({
      name: name(`attn_${matrix}.${tail}`),
      rows: lengths[matrix],
    }));
  // A file has biases in all layers or in none; one that lacks some is damaged.
  const hasBias = loader.has("blk.0.attn_q.bias") || loader.has("blk.0.attn_qkv.bias");
  const hasOutputBias = loader.has("blk.0.attn_output.bias");
  const isMoe = isMoeLayer(model, layer);
  return {
    attentionNorm: loader.vector(name("attn_norm.weight"), width),
    qkv: loader.matrices(width, parts("weight"), name("attn_qkv.weight")),
    qkvBias: hasBias ? loader.vectors(parts("bias"), name("attn_qkv.bias")) : undefined,
    queryKeyNorms: declareNorms(loader, model, name),
    attentionOutput: loader.matrix(name("attn_output.weight"), [queryLength, width]),
    attentionOutputBias: hasOutputBias ? loader.vector(name("attn_output.bias"), width) : undefined,
    feedForwardNorm: loader.vector(name("ffn_norm.weight"), width),
    shared:
      isMoe && traits.sharedExpert !== "none" && model.sharedFeedForwardLength > 0
        ? declareFeedForward(loader, width, model.sharedFeedForwardLength, (matrix) =>
            name(`ffn_${matrix}_shexp.weight`),
          )
        : undefined,
    dense: isMoe
      ? undefined
      : declareFeedForward(loader, width, model.denseFeedForwardLength, (matrix) =>
          name(`ffn_${matrix}.weight`),
        ),
  };
}

function declareNorms(
  loader: WeightLoader,
  model: HyperParameters,
  name: (tail: string) => string,
): [Tensor, Tensor] | undefined {
  const { headLength, queryLength, keyLength, traits } = model;
  if (traits.queryKeyNorm === "none") return undefined;
  const [q, k] =
    traits.queryKeyNorm === "head" ? [headLength, headLength] : [queryLength, keyLength];
  return [
    loader.vector(name("attn_q_norm.weight"), q),
    loader.vector(name("attn_k_norm.weight"), k),
  ];
}

function declareFeedForward(
  loader: WeightLoader,
  width: number,
  inner: number,
  name: (matrix: string) => string,
): FeedForwardWeights {
  const parts = ["gate", "up"].map((matrix) => ({ name: name(matrix), rows: inner }));
  return {
    gateUp: loader.matrices(width, parts),
    down: loader.matrix(name("down"), [inner, width]),
  };
}

function declareRouters(loader: WeightLoader, model: HyperParameters): MatrixGroup {
  const { embeddingLength, expertCount, moeLayers, traits } = model;
  const parts = moeLayers.flatMap((layer) => [
    { name: `blk.${layer}.ffn_gate_inp.weight`, rows: expertCount },
    ...(traits.sharedExpert === "gated"
      ? [{ name: `blk.${layer}.ffn_gate_inp_shexp.weight`, rows: 1 }]
      : []),
  ]);
  return loader.matrices(embeddingLength, parts);
}
