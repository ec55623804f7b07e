/** An entry of an event queue; keep it to cancel the event. */
export interface QueuedEvent<T> {
  readonly atMs: number;
  readonly value: T;
}

interface Entry<T> extends QueuedEvent<T> {
  /** How many events were pushed before: breaks ties of time. */
  readonly order: number;
  /** Where the entry lies in the heap; -1 once it has left. */
  position: number;
}

/**
 * A priority queue of timed values: earliest first, equal times in the order they were pushed, so a
 * simulation never depends on the shape of the heap.
 *
 * A binary heap that knows where each entry lies. Cost: push, pop and cancel O(log n), peek O(1);
 * cancelled entries are gone at once, so many short-lived timeouts do not pile up.
 */
export class EventQueue<T> {
  readonly #heap: Entry<T>[] = [];
  #pushed = 0;

  /** How many events wait. */
  get size(): number {
    return this.#heap.length;
  }

  /** @param atMs any number but NaN; the caller knows what the present is */
  push(atMs: number, value: T): QueuedEvent<T> {
    const entry: Entry<T> = { atMs, value, order: this.#pushed++, position: this.#heap.length };
    this.#heap.push(entry);
    this.#rise(entry);
    return entry;
  }

  /** The next event, left where it is. */
  peek(): QueuedEvent<T> | undefined {
    return this.#heap[0];
  }

  /** Takes the next event out. */
  pop(): QueuedEvent<T> | undefined {
    const first = this.#heap[0];
    if (first !== undefined) this.#remove(first);
    return first;
  }

  /** Takes an event out wherever it lies. False when it has left before, or is of another queue. */
  cancel(event: QueuedEvent<T>): boolean {
    const entry = event as Entry<T>;
    if (this.#heap[entry.position] !== entry) return false;
    this.#remove(entry);
    return true;
  }

  #remove(entry: Entry<T>): void {
    const hole = entry.position;
    const last = this.#heap.pop() as Entry<T>;
    entry.position = -1;
    if (last === entry) return;
    this.#place(last, hole);
    this.#rise(last);
    this.#sink(last);
  }

  #rise(entry: Entry<T>): void {
    while (entry.position > 0) {
      const parent = this.#heap[(entry.position - 1) >> 1] as Entry<T>;
      if (!isBefore(entry, parent)) return;
      this.#swap(entry, parent);
    }
  }

  #sink(entry: Entry<T>): void {
    for (;;) {
      const left = this.#heap[2 * entry.position + 1];
      const right = this.#heap[2 * entry.position + 2];
      if (left === undefined) return;
      const child = right !== undefined && isBefore(right, left) ? right : left;
      if (!isBefore(child, entry)) return;
      this.#swap(entry, child);
    }
  }

  #swap(a: Entry<T>, b: Entry<T>): void {
    const position = a.position;
    this.#place(a, b.position);
    this.#place(b, position);
  }

  #place(entry: Entry<T>, position: number): void {
    entry.position = position;
    this.#heap[position] = entry;
  }
}

function isBefore<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
