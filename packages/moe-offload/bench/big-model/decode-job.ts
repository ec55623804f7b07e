import type { StrategyName } from "../../src/offload/strategies.ts";

/** What a child process is to decode, and how. */
export interface DecodeJob {
  readonly modelPath: string;
  readonly engine: "llama.cpp" | StrategyName;
  readonly threads: number;
  readonly vocabulary: number;
  /** Tokens that warm caches up, then those that are timed; one context. */
  readonly warmUp: readonly number[];
  readonly tokens: readonly number[];
  /** Last tokens whose logits are handed back. */
  readonly logitsOf: number;
  /** Of this engine alone: bytes of experts in memory, and reads under way at once. */
  readonly budgetBytes: number;
  readonly queueDepth: number;
}

/** What it measured over the timed tokens. */
export interface DecodeOutcome {
  readonly openMs: number;
  readonly elapsedMs: number;
  readonly tokensPerSecond: number;
  /** By the operating system: bytes that came from disk, and page faults that waited for it. */
  readonly diskBytes: number;
  readonly majorFaults: number;
  /** Processor time of all threads over elapsed time. */
  readonly processorShare: number;
  /** Largest resident set so far, bytes; pages of mapped files count. */
  readonly residentBytesMax: number;
  /** Base64 of 32-bit floats, `[logitsOf, vocabulary]`. */
  readonly logits: string;
  /** Of this engine alone. */
  readonly offload?: {
    readonly hitRate: number;
    readonly lateHitRate: number;
    readonly waitShare: number;
    readonly slots: number;
    readonly readMode: string;
  };
}
