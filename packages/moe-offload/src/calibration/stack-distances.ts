/**
 * LRU's misses at every number of slots, expert by expert as they are used: an expert hits in a
 * cache of `c` slots when fewer than `c` others were used since its last use.
 * @see Mattson et al. 1970, IBM Systems Journal 9(2): stack algorithms
 */
export class StackDistances {
  /** Experts by falling time of last use; the first `#depth` are valid. */
  readonly #stack: Int32Array;
  #depth = 0;
  /** Entry `d`: uses that found the expert at place `d`; the last entry: first uses. */
  readonly #foundAt: Float64Array;

  constructor(expertCount: number) {
    this.#stack = new Int32Array(expertCount);
    this.#foundAt = new Float64Array(expertCount + 1);
  }

  /** An expert is used. */
  use(expert: number): void {
    const stack = this.#stack;
    let place = 0;
    while (place < this.#depth && stack[place] !== expert) place++;
    const isFirst = place === this.#depth;
    if (isFirst) this.#depth++;
    const at = isFirst ? stack.length : place;
    this.#foundAt[at] = (this.#foundAt[at] ?? 0) + 1;
    stack.copyWithin(1, 0, place);
    stack[0] = expert;
  }

  /**
   * Misses per token with 0, 1, .. `expertCount` slots, `[expertCount + 1]`. First uses miss at
   * every size but the last, which holds all experts.
   */
  missesPerToken(tokenCount: number): Float64Array {
    const expertCount = this.#stack.length;
    const misses = new Float64Array(expertCount + 1);
    let sum = this.#foundAt[expertCount] ?? 0;
    for (let slots = expertCount - 1; slots >= 0; slots--) {
      sum += this.#foundAt[slots] ?? 0;
      misses[slots] = sum / Math.max(1, tokenCount);
    }
    return misses;
  }
}
