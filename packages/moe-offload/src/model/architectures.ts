/** What a kind of model does its own way; everything else is common to all of them. */
export interface ArchitectureTraits {
  /** Which elements of a head rotary embedding turns together: neighbours, or those half apart. */
  readonly ropeMode: "normal" | "neox";
  /** True when `rope_freqs.weight`, if there, divides the frequencies. */
  readonly hasRopeFactors: boolean;
  /** RMS norm of queries and keys before they are turned: of each head, or of all heads at once. */
  readonly queryKeyNorm: "none" | "head" | "whole";
  /** True when the weights of a token's experts are divided by their sum. */
  readonly renormalises: boolean;
  /** True when they are then multiplied by `expert_weights_scale`. */
  readonly scalesWeights: boolean;
  /** The expert that sees every token; `gated` weighs it by the sigmoid of a product of its own. */
  readonly sharedExpert: "none" | "gated" | "ungated";
  /**
   * Where the width of that expert is: its own key (`fallback` and `optional` say what happens
   * without it), or `expert_shared_count` times that of an expert.
   */
  readonly sharedWidth: "key, else feed_forward_length" | "key, else none" | "count" | "none";
  /** Where an expert's width is. */
  readonly expertWidth:
    | "feed_forward_length"
    | "expert_feed_forward_length"
    | "expert_feed_forward_length, else a share of feed_forward_length";
  /** True when the first `leading_dense_block_count` layers have one dense network, no experts. */
  readonly hasDenseLead: boolean;
  /** True when a file without `output.weight` uses the embedding in its place. */
  readonly tiesOutput: boolean;
  /**
   * Granite's keys `embedding_scale`, `residual_scale`, `attention.scale` and `logit_scale`, and
   * no rotary embedding when `rope.scaling.finetuned` is false.
   */
  readonly isGranite: boolean;
}

/** The commonest choices; each architecture says where it differs. */
const PLAIN: ArchitectureTraits = {
  ropeMode: "normal",
  hasRopeFactors: false,
  queryKeyNorm: "none",
  renormalises: false,
  scalesWeights: false,
  sharedExpert: "none",
  sharedWidth: "none",
  expertWidth: "feed_forward_length",
  hasDenseLead: false,
  tiesOutput: false,
  isGranite: false,
};

/**
 * The architectures this package computes, by their GGUF name. A softmax over all experts chooses
 * in each; biases of attention are used wherever a file has them.
 * @see llama.cpp b7347, src/models and llama-model.cpp `load_hparams` and `load_tensors`
 */
export const ARCHITECTURES = {
  /** Qwen1.5-MoE, Qwen2-57B-A14B. */
  qwen2moe: {
    ...PLAIN,
    ropeMode: "neox",
    sharedExpert: "gated",
    sharedWidth: "key, else feed_forward_length",
    expertWidth: "expert_feed_forward_length, else a share of feed_forward_length",
  },
  /** Qwen3-30B-A3B, Qwen3-235B-A22B. */
  qwen3moe: {
    ...PLAIN,
    ropeMode: "neox",
    queryKeyNorm: "head",
    renormalises: true,
    expertWidth: "expert_feed_forward_length, else a share of feed_forward_length",
    tiesOutput: true,
  },
  /** OLMoE-1B-7B. */
  olmoe: { ...PLAIN, ropeMode: "neox", queryKeyNorm: "whole" },
  /** Mixtral 8x7B and 8x22B; dense models of this name are refused. */
  llama: { ...PLAIN, hasRopeFactors: true, renormalises: true, tiesOutput: true },
  /** DeepSeekMoE-16B. */
  deepseek: {
    ...PLAIN,
    scalesWeights: true,
    sharedExpert: "ungated",
    sharedWidth: "count",
    expertWidth: "expert_feed_forward_length",
    hasDenseLead: true,
  },
  /** Granite 3 1b-a400m and 3b-a800m. */
  granitemoe: {
    ...PLAIN,
    renormalises: true,
    sharedExpert: "ungated",
    sharedWidth: "key, else none",
    tiesOutput: true,
    isGranite: true,
  },
} as const satisfies Record<string, ArchitectureTraits>;

/** The GGUF name of an architecture. */
export type Architecture = keyof typeof ARCHITECTURES;
/** Architectures this package computes, by their GGUF name. */
export const SUPPORTED_ARCHITECTURES = Object.keys(ARCHITECTURES) as readonly Architecture[];

/** What is particular to an architecture. */
export function traitsOf(architecture: Architecture): ArchitectureTraits {
  return ARCHITECTURES[architecture];
}
