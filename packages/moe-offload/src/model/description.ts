import { type GgufFile, getInteger, getNumber, getString, getTensor } from "@fmlab/ggml";
import { MoeError } from "../errors.ts";

/** Architectures this package computes, by their GGUF name. */
export const SUPPORTED_ARCHITECTURES = ["qwen2moe"] as const;
export type Architecture = (typeof SUPPORTED_ARCHITECTURES)[number];

/** Hyper-parameters of a Mixture-of-Experts model, as its file states them. */
export interface ModelDescription {
  readonly architecture: Architecture;
  readonly name: string;
  readonly layerCount: number;
  readonly contextLength: number;
  readonly embeddingLength: number;
  readonly headCount: number;
  readonly headCountKv: number;
  readonly headLength: number;
  readonly vocabularySize: number;
  readonly expertCount: number;
  /** Routed experts per token and layer (top-k). */
  readonly expertUsedCount: number;
  readonly expertFeedForwardLength: number;
  /** Width of the shared expert; 0 when there is none. */
  readonly sharedFeedForwardLength: number;
  readonly ropeFrequencyBase: number;
  readonly rmsEpsilon: number;
}

/** Bounds far above any published model; they keep a damaged file from asking for absurd work. */
const LIMITS = { layers: 1024, experts: 4096, width: 1 << 20, context: 1 << 24, heads: 4096 };

/**
 * Reads and checks a model's hyper-parameters.
 *
 * @throws MoeError `UNSUPPORTED_ARCHITECTURE` | `BAD_MODEL`
 * @throws GgufError `MISSING_KEY` | `WRONG_KEY` | `MISSING_TENSOR`
 * @see llama.cpp src/models/qwen2moe.cpp and llama-model.cpp `load_hparams`
 */
export function describeModel(file: GgufFile): ModelDescription {
  const architecture = architectureOf(file);
  const count = (key: string, max: number, fallback?: number) =>
    getInteger(file, `${architecture}.${key}`, { min: 1, max, ...(fallback && { fallback }) });
  const embeddingLength = count("embedding_length", LIMITS.width);
  const headCount = count("attention.head_count", LIMITS.heads);
  const feedForwardLength = count("feed_forward_length", LIMITS.width);
  const expertCount = count("expert_count", LIMITS.experts);
  const expertUsedCount = count("expert_used_count", LIMITS.experts);
  if (expertUsedCount > expertCount) {
    throw badModel(file, `it uses ${expertUsedCount} experts a token but has ${expertCount}`);
  }
  if (embeddingLength % headCount !== 0) {
    throw badModel(file, `its width ${embeddingLength} is no multiple of ${headCount} heads`);
  }
  const headCountKv = count("attention.head_count_kv", LIMITS.heads, headCount);
  if (headCount % headCountKv !== 0) {
    throw badModel(file, `its ${headCount} heads cannot share ${headCountKv} key-value heads`);
  }
  const embedding = getTensor(file, "token_embd.weight");
  if (embedding.shape.length !== 2 || embedding.shape[0] !== embeddingLength) {
    const expected = `[${embeddingLength}, vocabulary]`;
    throw badModel(file, `token_embd.weight has shape [${embedding.shape}], expected ${expected}`);
  }
  return {
    architecture,
    name: getString(file, "general.name", "unnamed"),
    layerCount: count("block_count", LIMITS.layers),
    contextLength: count("context_length", LIMITS.context),
    embeddingLength,
    headCount,
    headCountKv,
    headLength: embeddingLength / headCount,
    vocabularySize: embedding.shape[1] ?? 0,
    expertCount,
    expertUsedCount,
    expertFeedForwardLength: count(
      "expert_feed_forward_length",
      LIMITS.width,
      Math.max(1, Math.floor(feedForwardLength / expertUsedCount)),
    ),
    sharedFeedForwardLength: getInteger(file, `${architecture}.expert_shared_feed_forward_length`, {
      max: LIMITS.width,
      fallback: feedForwardLength,
    }),
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

function architectureOf(file: GgufFile): Architecture {
  const found = getString(file, "general.architecture");
  const known = SUPPORTED_ARCHITECTURES.find((name) => name === found);
  if (known !== undefined) return known;
  throw new MoeError(
    `${file.path} holds a model of architecture "${found}"; this version computes ` +
      `${SUPPORTED_ARCHITECTURES.join(", ")}. Choose another model file.`,
    {
      code: "UNSUPPORTED_ARCHITECTURE",
      path: file.path,
      architecture: found,
      supported: [...SUPPORTED_ARCHITECTURES],
    },
  );
}

/** The error for a file whose contents contradict each other. */
export function badModel(file: Pick<GgufFile, "path">, problem: string): MoeError {
  return new MoeError(
    `${file.path} is not a usable model: ${problem}. Convert or fetch the file again.`,
    { code: "BAD_MODEL", path: file.path, problem },
  );
}
