import type { PolicyName } from "../policies/names.ts";
import type { PredictorName } from "../predictors/names.ts";
import type { PrefetchControlName } from "./strategy-names.ts";

/** Everything that decides when an expert is where: a published system, or one of our own. */
export interface Strategy {
  readonly policy: PolicyName;
  readonly predictor: PredictorName;
  readonly prefetch: {
    readonly control: PrefetchControlName;
    /** Most predictions per layer that are looked at. */
    readonly width: number;
    /** Layers ahead that are predicted. */
    readonly depth: number;
  };
  /** Experts that are there are computed while others arrive. */
  readonly readyFirst: boolean;
}

/** A strategy with its name and where it comes from. */
export interface NamedStrategy extends Strategy {
  readonly title: string;
  readonly source: string;
}

const OFF = { control: "off", width: 0, depth: 1 } as const;

function caching(policy: PolicyName, title: string, source: string): NamedStrategy {
  return { title, source, policy, predictor: "none", prefetch: OFF, readyFirst: false };
}

/**
 * Published systems as mixtures of their parts, as far as one request at a time and lossless
 * experts go: what a system does beside that (low precision, batching) is not in here. Computing
 * misses on the CPU goes with any of them (`cpu-experts.ts`).
 */
export const STRATEGIES = {
  "load-on-demand": caching(
    "on-demand",
    "Load on demand",
    "the baseline of Fate, arXiv:2502.12224",
  ),
  lru: caching("lru", "LRU", "cache of mixtral-offloading, arXiv:2312.17238"),
  lfu: caching("lfu", "LFU", "classic baseline"),
  arc: caching("arc", "ARC", "Megiddo and Modha, FAST 2003"),
  "least-stale": caching("least-stale", "Least stale", "SpecMD, arXiv:2602.03921"),
  static: caching("static", "Static popularity", "placement of Fiddler, arXiv:2402.07033"),
  "mixtral-offloading": {
    title: "mixtral-offloading",
    source: "arXiv:2312.17238: LRU with speculative loading of the two likeliest experts",
    policy: "lru",
    predictor: "cross-layer",
    prefetch: { control: "fixed", width: 2, depth: 1 },
    readyFirst: false,
  },
  fate: {
    title: "Fate",
    source: "arXiv:2502.12224: shallow-favouring ARC, cross-layer gate, transfer budget",
    policy: "fate",
    predictor: "cross-layer",
    prefetch: { control: "fate", width: 8, depth: 1 },
    readyFirst: true,
  },
  "moe-infinity": {
    title: "MoE-Infinity",
    source: "arXiv:2401.14361: activation-matrix priorities and prefetch",
    policy: "moe-infinity",
    predictor: "activation-matrix",
    prefetch: { control: "fixed", width: 2, depth: 1 },
    readyFirst: false,
  },
  hybrimoe: {
    title: "HybriMoE's cache and prefetch",
    source: "arXiv:2504.05897: MRS cache, gate reuse over three layers; without CPU computing",
    policy: "mrs",
    predictor: "cross-layer",
    prefetch: { control: "fixed", width: 1, depth: 3 },
    readyFirst: false,
  },
  "klotski-prefetch": {
    title: "Klotski's prefetch for one batch",
    source: "arXiv:2502.06888, section 6: correlation table, hot experts; LRU cache",
    policy: "lru",
    predictor: "correlation",
    prefetch: { control: "fixed", width: 2, depth: 1 },
    readyFirst: true,
  },
  ours: {
    title: "Reuse score",
    source: "this project: learned reuse score, prefetch that pays, ready experts first",
    policy: "reuse",
    predictor: "layer-map",
    prefetch: { control: "adaptive", width: 4, depth: 1 },
    readyFirst: true,
  },
} as const satisfies Record<string, NamedStrategy>;

/** A key of `STRATEGIES`. */
export type StrategyName = keyof typeof STRATEGIES;
/** The keys of `STRATEGIES`. */
export const STRATEGY_NAMES = Object.keys(STRATEGIES) as StrategyName[];
