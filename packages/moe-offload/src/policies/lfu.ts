import type { ExpertKey, Routing } from "../offload/routing.ts";
import { allocateEqually } from "./allocation.ts";
import { indexOfLowest } from "./lowest.ts";
import type { ExpertPolicy, PolicyContext, PolicyDefinition } from "./policy.ts";

/** Counts are scaled back above this, long before they lose whole numbers of uses. */
const WEIGHT_MAX = 1e12;

/**
 * Keeps the experts that were used most. Counts outlive evictions ("perfect" LFU); of equals the
 * one used longer ago leaves. `decay` is what a use is worth one token later: 1 is plain LFU.
 *
 * @param decay  0 < decay <= 1
 */
export function defineLfu(name: string, decay: number): PolicyDefinition {
  const forgets = decay < 1 ? `, a use counting ${decay} times as much per token since` : "";
  return {
    name,
    help: `Each layer keeps the experts it used most often${forgets}.`,
    source:
      "Lin, He and Chen 2025, arXiv 2511.05814 (LFU instead of mixtral-offloading's LRU); " +
      "the paper does not say whether counts outlive evictions: here they do",
    allocate: allocateEqually,
    create: (context) => new LfuPolicy(context, decay),
  };
}

/** Plain LFU. */
export const lfu = defineLfu("lfu", 1);

class LfuPolicy implements ExpertPolicy {
  readonly allResident = false;
  #decay: number;
  /** By key: weighted uses. */
  #uses: Float64Array;
  /** By key: serial number of the last use; 0 when never. */
  #usedAt: Float64Array;
  #now = 0;
  /** What a use of the current token is worth; grows instead of every count decaying. */
  #weight = 1;
  #token = -1;
  #tied: Int32Array;

  constructor({ shape }: PolicyContext, decay: number) {
    const keyCount = shape.layerCount * shape.expertCount;
    this.#decay = decay;
    this.#uses = new Float64Array(keyCount);
    this.#usedAt = new Float64Array(keyCount);
    this.#tied = new Int32Array(keyCount);
  }

  onRouting(routing: Routing): void {
    if (routing.token === this.#token || this.#decay === 1) return;
    this.#token = routing.token;
    this.#weight /= this.#decay;
    if (this.#weight < WEIGHT_MAX) return;
    for (let key = 0; key < this.#uses.length; key++) {
      this.#uses[key] = (this.#uses[key] ?? 0) / this.#weight;
    }
    this.#weight = 1;
  }

  onUse(key: ExpertKey): void {
    this.#uses[key] = (this.#uses[key] ?? 0) + this.#weight;
    this.#usedAt[key] = ++this.#now;
  }

  victim(_incoming: ExpertKey, candidates: Int32Array, count: number): number {
    const fewest = this.#uses[candidates[indexOfLowest(this.#uses, candidates, count)] ?? 0];
    let tied = 0;
    for (let i = 0; i < count; i++) {
      const key = candidates[i] ?? 0;
      if (this.#uses[key] === fewest) this.#tied[tied++] = key;
    }
    const oldest = this.#tied[indexOfLowest(this.#usedAt, this.#tied, tied)] ?? 0;
    return candidates.indexOf(oldest);
  }
}
