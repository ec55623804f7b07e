import { TENSOR_TYPE } from "@fmlab/ggml";

/** Sizes of a generated model, architecture qwen2moe. */
export interface BigModelShape {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly experts: number;
  readonly used: number;
  readonly inner: number;
  readonly sharedInner: number;
  readonly vocabulary: number;
  readonly context: number;
  /** ggml type of all matrices but embedding, output (Q8_0) and routers (F32). */
  readonly weightType: number;
}

/**
 * Qwen1.5-MoE-A2.7B with 8 of its 24 layers and a small vocabulary: 2.34 GB of routed experts.
 * @see the model's published config: width 2048, 60 experts of 1408, top-4, shared expert of 5632
 */
export const QWEN15_MOE: BigModelShape = {
  layers: 8,
  width: 2048,
  heads: 16,
  experts: 60,
  used: 4,
  inner: 1408,
  sharedInner: 5632,
  vocabulary: 4096,
  context: 1024,
  weightType: TENSOR_TYPE.Q4_0,
};
/** Layers of the published model that `QWEN15_MOE` is cut from. */
export const QWEN15_MOE_LAYERS = 24;

/**
 * How tokens follow each other and what routers see of them. An embedding is
 * `common m + topic u(topic of the token) + rest v(token)`, the three parts random directions and
 * the squares of their sizes summing to 1; a router's rows are random, so that these squares are
 * the shares of a router logit's variance that belong to the expert (popularity), to topic and
 * expert (experts stay in use while a topic lasts), and to token and expert.
 */
export interface RoutingDials {
  readonly common: number;
  readonly topic: number;
  /** Deviation of a router's logits over tokens and experts. */
  readonly routerGain: number;
  readonly topics: number;
  /** Chance that a topic goes on after a token. */
  readonly stay: number;
  /** Words of every topic: how many there are, and the share of a text that they are. */
  readonly commonWords: number;
  readonly commonWordShare: number;
  /** Exponent of Zipf's law of topics' and common words. */
  readonly zipf: number;
  /** Size of what a layer's shared and routed experts add, before the norm that follows. */
  readonly expertGain: number;
  readonly attentionGain: number;
}

/**
 * Found by `tune.ts`, which lays the LRU miss curve on the shipped model's; what the generated file
 * then gives is measured and printed by `moe-mmap`.
 */
export const DIALS: RoutingDials = {
  common: 0.1,
  topic: 0.3,
  routerGain: 1.5,
  topics: 32,
  stay: 0.95,
  commonWords: 128,
  commonWordShare: 0.4,
  zipf: 1,
  expertGain: 1,
  attentionGain: 0.5,
};

/** Size of the part of an embedding that no other token shares. */
export function restOf({ common, topic }: RoutingDials): number {
  return Math.sqrt(Math.max(0, 1 - common ** 2 - topic ** 2));
}
