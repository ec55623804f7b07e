import type { ExpertKey } from "../offload/routing.ts";
import type { FutureUses } from "../policies/policy.ts";
import type { Trace } from "../traces/trace.ts";

/**
 * The future of a trace, exactly. Holds each use once (4 bytes) and a cursor for each expert, so
 * that memory is O(tokens * layers * experts a token) and a question about tokens that come in
 * order costs O(1) on average.
 */
export class TraceFuture implements FutureUses {
  /** Tokens that use each expert, ascending, expert after expert. */
  readonly #uses: Uint32Array;
  /** By key: where its uses begin in `#uses`; one entry more at the end. */
  readonly #begin: Uint32Array;
  /** By key: the first use after the token that was last asked about. */
  readonly #cursor: Uint32Array;

  constructor({ shape, experts, tokenCount }: Trace) {
    const { expertCount, expertUsedCount, layerCount, moeLayers } = shape;
    const keyCount = layerCount * expertCount;
    const begin = new Uint32Array(keyCount + 1);
    const perToken = moeLayers.length * expertUsedCount;
    const firstKeys = Int32Array.from({ length: perToken }, (_, i) => {
      return (moeLayers[Math.floor(i / expertUsedCount)] ?? 0) * expertCount;
    });
    for (let i = 0; i < experts.length; i++) {
      const key = (firstKeys[i % perToken] ?? 0) + (experts[i] ?? 0);
      begin[key + 1] = (begin[key + 1] ?? 0) + 1;
    }
    for (let key = 0; key < keyCount; key++) {
      begin[key + 1] = (begin[key + 1] ?? 0) + (begin[key] ?? 0);
    }
    this.#begin = begin;
    this.#uses = new Uint32Array(experts.length);
    const next = begin.slice(0, keyCount);
    for (let token = 0; token < tokenCount; token++) {
      for (let i = 0; i < perToken; i++) {
        const key = (firstKeys[i] ?? 0) + (experts[token * perToken + i] ?? 0);
        const at = next[key] ?? 0;
        this.#uses[at] = token;
        next[key] = at + 1;
      }
    }
    this.#cursor = begin.slice(0, keyCount);
  }

  nextUse(key: ExpertKey, token: number): number {
    const uses = this.#uses;
    const first = this.#begin[key] ?? 0;
    const end = this.#begin[key + 1] ?? 0;
    let at = this.#cursor[key] ?? first;
    while (at > first && (uses[at - 1] ?? 0) > token) at--;
    while (at < end && (uses[at] ?? 0) <= token) at++;
    this.#cursor[key] = at;
    return at < end ? (uses[at] ?? 0) : Number.POSITIVE_INFINITY;
  }
}
