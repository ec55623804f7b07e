import type { ExpertKey } from "../offload/routing.ts";

/** How host memory is used; `tiers/host-tier.ts` has these and one more, which is not replayed. */
export interface HostMemoryOptions {
  /** Bytes of experts that it keeps. */
  readonly memoryBytes: number;
  /** `lru` (also when missing): what was used last stays. `pinned`: what came first stays. */
  readonly mode?: "lru" | "pinned";
  /** Experts that are there from the start, as far as there is room. */
  readonly preload?: Iterable<ExpertKey>;
}

/** Which experts lie in host memory. An expert larger than all of it is never kept. */
export class HostMemory {
  readonly #budgetBytes: number;
  readonly #isPinned: boolean;
  /** By expert, the one used longest ago first: its bytes. */
  readonly #bytesOf = new Map<ExpertKey, number>();
  #usedBytes = 0;

  /** @param bytesOf  bytes of an expert */
  constructor(options: HostMemoryOptions, bytesOf: (key: ExpertKey) => number) {
    this.#budgetBytes = options.memoryBytes;
    this.#isPinned = options.mode === "pinned";
    for (const key of options.preload ?? []) {
      if (this.#usedBytes + bytesOf(key) <= this.#budgetBytes) this.keep(key, bytesOf(key));
    }
  }

  /** Bytes of the experts that are kept; at most the budget. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** True when the expert is there; it then counts as used now. */
  use(key: ExpertKey): boolean {
    const bytes = this.#bytesOf.get(key);
    if (bytes === undefined) return false;
    this.#bytesOf.delete(key);
    this.#bytesOf.set(key, bytes);
    return true;
  }

  /** Keeps an expert that has just come from disk, if the mode makes room for it. */
  keep(key: ExpertKey, bytes: number): void {
    if (bytes > this.#budgetBytes || this.use(key)) return;
    if (this.#isPinned && this.#usedBytes + bytes > this.#budgetBytes) return;
    for (const [oldest, oldestBytes] of this.#bytesOf) {
      if (this.#usedBytes + bytes <= this.#budgetBytes) break;
      this.#bytesOf.delete(oldest);
      this.#usedBytes -= oldestBytes;
    }
    this.#bytesOf.set(key, bytes);
    this.#usedBytes += bytes;
  }
}
