/** A binary heap: the best item first, by an order given once. */
export class Heap<Item> {
  #items: Item[] = [];
  readonly #isBetter: (one: Item, other: Item) => boolean;

  /** @param isBetter a strict order; items equal in it come out in no promised order */
  constructor(isBetter: (one: Item, other: Item) => boolean) {
    this.#isBetter = isBetter;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The best item, which stays; undefined when there is none. */
  peek(): Item | undefined {
    return this.#items[0];
  }

  push(item: Item): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent] as Item;
      if (!this.#isBetter(item, above)) break;
      items[at] = above;
      at = parent;
    }
    items[at] = item;
  }

  /** Takes the best item out; undefined when there is none. */
  pop(): Item | undefined {
    const best = this.#items[0];
    const last = this.#items.pop();
    if (this.#items.length > 0) this.#sink(last as Item);
    return best;
  }

  /** Keeps only the items that pass. O(items). */
  retain(isKept: (item: Item) => boolean): void {
    this.#items = this.#items.filter(isKept);
    for (let at = (this.#items.length >> 1) - 1; at >= 0; at--) {
      this.#sink(this.#items[at] as Item, at);
    }
  }

  /** Puts an item at `from`, or below it where better ones go up. */
  #sink(item: Item, from = 0): void {
    const items = this.#items;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      const right = child + 1;
      if (right < items.length && this.#isBetter(items[right] as Item, items[child] as Item)) {
        child = right;
      }
      if (!this.#isBetter(items[child] as Item, item)) break;
      items[at] = items[child] as Item;
      at = child;
    }
    items[at] = item;
  }
}
