import { type GgufFile, getInteger, getNumber, getString, getTensor } from "@fmlab/ggml";
import { MoeError } from "../errors.ts";
import {
  type Architecture,
  type ArchitectureTraits,
  SUPPORTED_ARCHITECTURES,
  traitsOf,
} from "./architectures.ts";
import { getUniformInteger } from "./uniform-integer.ts";

/** Hyper-parameters of a Mixture-of-Experts model, as its file states them. */
export interface ModelDescription {
  readonly architecture: Architecture;
  readonly name: string;
  /** All layers, those without experts included. */
  readonly layerCount: number;
  /** The layers that have experts, by rising number. */
  readonly moeLayers: readonly number[];
  readonly contextLength: number;
  readonly embeddingLength: number;
  readonly headCount: number;
  readonly headCountKv: number;
  /** Elements of one head of queries, keys or values. */
  readonly headLength: number;
  readonly vocabularySize: number;
  readonly expertCount: number;
  /** Routed experts per token and layer (top-k). */
  readonly expertUsedCount: number;
  readonly expertFeedForwardLength: number;
  /** Width of the shared expert; 0 when there is none. */
  readonly sharedFeedForwardLength: number;
  /** Width of the dense network of layers without experts; 0 when all layers have experts. */
  readonly denseFeedForwardLength: number;
  readonly ropeFrequencyBase: number;
  readonly rmsEpsilon: number;
}

/** Bounds far above any published model; they keep a damaged file from asking for absurd work. */
const LIMITS = { layers: 1024, experts: 4096, width: 1 << 20, context: 1 << 24, heads: 4096 };

type Count = (key: string, max: number, fallback?: number) => number;

/**
 * Reads and checks a model's hyper-parameters.
 *
 * @throws MoeError `UNSUPPORTED_ARCHITECTURE` | `UNSUPPORTED_FEATURE` | `BAD_MODEL`
 * @throws GgufError `MISSING_KEY` | `WRONG_KEY` | `MISSING_TENSOR`
 * @see llama.cpp src/llama-model.cpp `load_hparams` (b7347)
 */
export function describeModel(file: GgufFile): ModelDescription {
  const architecture = architectureOf(file);
  const traits = traitsOf(architecture);
  const count: Count = (key, max, fallback) =>
    getUniformInteger(file, `${architecture}.${key}`, {
      min: 1,
      max,
      ...(fallback !== undefined && { fallback }),
    });
  const experts = expertsOf(file, architecture, count);
  const embedding = getTensor(file, "token_embd.weight");
  const embeddingLength = count("embedding_length", LIMITS.width);
  if (embedding.shape.length !== 2 || embedding.shape[0] !== embeddingLength) {
    const expected = `[${embeddingLength}, vocabulary]`;
    throw badModel(file, `token_embd.weight has shape [${embedding.shape}], expected ${expected}`);
  }
  const layerCount = count("block_count", LIMITS.layers);
  const key = `${architecture}.leading_dense_block_count`;
  const denseLead = traits.hasDenseLead ? getInteger(file, key, { max: layerCount - 1 }) : 0;
  return {
    architecture,
    name: getString(file, "general.name", "unnamed"),
    layerCount,
    moeLayers: Array.from({ length: layerCount - denseLead }, (_, i) => denseLead + i),
    contextLength: count("context_length", LIMITS.context),
    embeddingLength,
    ...headsOf(file, embeddingLength, count),
    vocabularySize: embedding.shape[1] ?? 0,
    ...experts,
    ...widthsOf(file, traits, architecture, experts.expertUsedCount, count),
    ropeFrequencyBase: getNumber(file, `${architecture}.rope.freq_base`, {
      min: 1,
      max: 1e12,
      fallback: 10_000,
    }),
    rmsEpsilon: getNumber(file, `${architecture}.attention.layer_norm_rms_epsilon`, {
      min: 0,
      max: 1,
    }),
  };
}

/** True when `layer` has experts. */
export function isMoeLayer(model: Pick<ModelDescription, "moeLayers">, layer: number): boolean {
  return model.moeLayers.includes(layer);
}

function architectureOf(file: GgufFile): Architecture {
  const found = getString(file, "general.architecture");
  const known = SUPPORTED_ARCHITECTURES.find((name) => name === found);
  if (known !== undefined) return known;
  throw unsupportedArchitecture(file, found);
}

function unsupportedArchitecture(file: GgufFile, found: string): MoeError {
  return new MoeError(
    `${file.path} holds a model of architecture "${found}"; this version computes the ` +
      `Mixture-of-Experts models ${SUPPORTED_ARCHITECTURES.join(", ")}. ` +
      "Choose another model file.",
    {
      code: "UNSUPPORTED_ARCHITECTURE",
      path: file.path,
      architecture: found,
      supported: [...SUPPORTED_ARCHITECTURES],
    },
  );
}

function expertsOf(file: GgufFile, architecture: Architecture, count: Count) {
  const option = { max: LIMITS.experts, fallback: 0 };
  if (getInteger(file, `${architecture}.expert_count`, option) === 0) {
    throw unsupportedArchitecture(file, `${architecture} without experts`);
  }
  const expertCount = count("expert_count", LIMITS.experts);
  const expertUsedCount = count("expert_used_count", LIMITS.experts);
  if (expertUsedCount > expertCount) {
    throw badModel(file, `it uses ${expertUsedCount} experts a token but has ${expertCount}`);
  }
  const gating = getInteger(file, `${architecture}.expert_gating_func`, { fallback: 1 });
  if (gating > 1) {
    throw unsupportedFeature(file, `a router of kind ${gating}`, "a softmax over all (kind 1)");
  }
  if (getInteger(file, `${architecture}.expert_group_count`, { fallback: 1 }) > 1) {
    throw unsupportedFeature(file, "experts in groups", "experts of one group");
  }
  return { expertCount, expertUsedCount };
}

function headsOf(file: GgufFile, embeddingLength: number, count: Count) {
  const headCount = count("attention.head_count", LIMITS.heads);
  const headCountKv = count("attention.head_count_kv", LIMITS.heads, headCount);
  if (headCount % headCountKv !== 0) {
    throw badModel(file, `its ${headCount} heads cannot share ${headCountKv} key-value heads`);
  }
  const share = Math.floor(embeddingLength / headCount);
  const headLength = count("attention.key_length", LIMITS.width, share);
  const valueLength = count("attention.value_length", LIMITS.width, share);
  if (headLength === share && share * headCount !== embeddingLength) {
    throw badModel(file, `its width ${embeddingLength} is no multiple of ${headCount} heads`);
  }
  if (valueLength !== headLength) {
    const found = `keys of ${headLength} and values of ${valueLength} elements a head`;
    throw unsupportedFeature(file, found, "keys and values of one length");
  }
  return { headCount, headCountKv, headLength };
}

function widthsOf(
  file: GgufFile,
  traits: ArchitectureTraits,
  architecture: Architecture,
  expertUsedCount: number,
  count: Count,
) {
  const isOwn = traits.expertWidth === "expert_feed_forward_length";
  const isNeeded = !isOwn || traits.hasDenseLead;
  const width = isNeeded ? count("feed_forward_length", LIMITS.width) : 0;
  const share = Math.max(1, Math.floor(width / expertUsedCount));
  const expertFeedForwardLength =
    traits.expertWidth === "feed_forward_length"
      ? width
      : count("expert_feed_forward_length", LIMITS.width, isOwn ? undefined : share);
  const sharedKey = `${architecture}.expert_shared_feed_forward_length`;
  const shared = () => getInteger(file, sharedKey, { max: LIMITS.width, fallback: 0 });
  const sharedFeedForwardLength = {
    none: () => 0,
    count: () => expertFeedForwardLength * count("expert_shared_count", LIMITS.experts),
    "key, else none": shared,
    "key, else feed_forward_length": () => shared() || width,
  }[traits.sharedWidth]();
  return {
    expertFeedForwardLength,
    sharedFeedForwardLength,
    denseFeedForwardLength: traits.hasDenseLead ? width : 0,
  };
}

/** The error for a file whose contents contradict each other. */
export function badModel(file: Pick<GgufFile, "path">, problem: string): MoeError {
  return new MoeError(
    `${file.path} is not a usable model: ${problem}. Convert or fetch the file again.`,
    { code: "BAD_MODEL", path: file.path, problem },
  );
}

/** The error for a file that may be sound but asks for more than this version computes. */
export function unsupportedFeature(
  file: Pick<GgufFile, "path">,
  found: string,
  supported: string,
): MoeError {
  return new MoeError(
    `${file.path} has ${found}; this version computes ${supported}. Choose another model file.`,
    { code: "UNSUPPORTED_FEATURE", path: file.path, found, supported },
  );
}
