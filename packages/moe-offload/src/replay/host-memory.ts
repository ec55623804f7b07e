import type { ExpertKey } from "../offload/routing.ts";

/**
 * Which experts lie in host memory: those used last, up to a number of bytes. An expert larger than
 * all of it is never kept.
 */
export class HostMemory {
  readonly #budgetBytes: number;
  /** By expert, the one used longest ago first: its bytes. */
  readonly #bytesOf = new Map<ExpertKey, number>();
  #usedBytes = 0;

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes;
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

  /** Keeps an expert that has just come from disk; those used longest ago make room. */
  keep(key: ExpertKey, bytes: number): void {
    if (bytes > this.#budgetBytes || this.use(key)) return;
    for (const [oldest, oldestBytes] of this.#bytesOf) {
      if (this.#usedBytes + bytes <= this.#budgetBytes) break;
      this.#bytesOf.delete(oldest);
      this.#usedBytes -= oldestBytes;
    }
    this.#bytesOf.set(key, bytes);
    this.#usedBytes += bytes;
  }
}
