import type { Tensor } from "@fmlab/ggml";

/** What the graphs of a model read and write that lasts from batch to batch. */
export interface GraphContext {
  readonly contextLength: number;
  /** By layer `[2 * keyLength, contextLength]`, F16: the keys of a token, then its values. */
  readonly keyValues: readonly Tensor[];
  readonly positions: Tensor; // [batchTokens] I32
  readonly rows: Tensor; // [batchTokens] I64: where in the cache each token goes
  /** Where the embeddings of the batch come from: its tokens, or the rows of the table. */
  readonly input: { readonly tokens: Tensor } | { readonly embedded: Tensor };
}
