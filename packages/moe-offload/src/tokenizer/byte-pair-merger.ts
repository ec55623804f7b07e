/**
 * Byte-pair encoding of one word: merges the neighbouring pair of lowest rank, leftmost first,
 * until no pair has a rank. Linked list and heap, O(n log n), so that a long word costs no more
 * than a text of its length.
 *
 * @param symbols the word's first symbols, as token numbers
 * @param mergeOf what a pair of tokens becomes and its rank, or undefined
 * @returns token numbers
 * @see Sennrich et al. 2016, Neural Machine Translation of Rare Words with Subword Units
 */
export function mergePairs(symbols: readonly number[], mergeOf: MergeLookup): number[] {
  const count = symbols.length;
  const tokens = Int32Array.from(symbols);
  const next = Int32Array.from({ length: count }, (_, i) => (i + 1 < count ? i + 1 : -1));
  const previous = Int32Array.from({ length: count }, (_, i) => i - 1);
  const heap = new PairHeap();
  const push = (left: number) => {
    const right = left < 0 ? -1 : (next[left] ?? -1);
    if (right < 0) return;
    const merge = mergeOf(tokens[left] ?? 0, tokens[right] ?? 0);
    if (merge === undefined) return;
    heap.push({
      left,
      right,
      leftToken: tokens[left] ?? 0,
      rightToken: tokens[right] ?? 0,
      ...merge,
    });
  };
  for (let i = 0; i + 1 < count; i++) push(i);
  for (let pair = heap.pop(); pair !== undefined; pair = heap.pop()) {
    const { left, right } = pair;
    // A merge on either side since then makes the pair stale; merged-away symbols hold -1.
    if (tokens[left] !== pair.leftToken || tokens[right] !== pair.rightToken) continue;
    if (next[left] !== right) continue;
    tokens[left] = pair.token;
    tokens[right] = -1;
    const after = next[right] ?? -1;
    next[left] = after;
    if (after >= 0) previous[after] = left;
    push(left);
    push(previous[left] ?? -1);
  }
  const merged: number[] = [];
  for (let i = count > 0 ? 0 : -1; i >= 0; i = next[i] ?? -1) merged.push(tokens[i] ?? 0);
  return merged;
}

/** Lower ranks merge first. */
export interface Merge {
  token: number;
  rank: number;
}
/** Finds the merge of two neighbouring tokens, when the vocabulary has one. */
export type MergeLookup = (left: number, right: number) => Merge | undefined;

interface Pair extends Merge {
  left: number;
  right: number;
  leftToken: number;
  rightToken: number;
}

const isBefore = (a: Pair, b: Pair): boolean =>
  a.rank < b.rank || (a.rank === b.rank && a.left < b.left);

/** A binary heap, the pair of lowest rank (then leftmost) first. */
class PairHeap {
  #items: Pair[] = [];

  push(pair: Pair): void {
    const items = this.#items;
    let at = items.length;
    items.push(pair);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent];
      if (above === undefined || !isBefore(pair, above)) break;
      items[at] = above;
      at = parent;
    }
    items[at] = pair;
  }

  pop(): Pair | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || last === undefined || items.length === 0) return top;
    let at = 0;
    for (;;) {
      const left = items[2 * at + 1];
      if (left === undefined) break;
      const right = items[2 * at + 2];
      const isRight = right !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (!isBefore(child, last)) break;
      items[at] = child;
      at = 2 * at + (isRight ? 2 : 1);
    }
    items[at] = last;
    return top;
  }
}
