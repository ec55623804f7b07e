/**
 * Timed events as plain columns, so that a whole queue is copied in a microsecond: earliest first,
 * equal times in the order they were pushed.
 */
export class TimedHeap {
  #atMs = new Float64Array(64);
  #order = new Float64Array(64);
  #value = new Int32Array(64);
  #size = 0;
  #pushed = 0;

  get size(): number {
    return this.#size;
  }

  /** When the first event is due; Infinity when none waits. */
  get nextAtMs(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#atMs[0] as number);
  }

  push(atMs: number, value: number): void {
    if (this.#size === this.#atMs.length) this.#grow();
    let at = this.#size++;
    const order = this.#pushed++;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if ((this.#atMs[above] as number) <= atMs) break;
      this.#move(above, at);
      at = above;
    }
    this.#set(at, atMs, order, value);
  }

  /** Takes the first event out; its value. Only where there is one. */
  pop(): number {
    const value = this.#value[0] as number;
    const last = --this.#size;
    const atMs = this.#atMs[last] as number;
    const order = this.#order[last] as number;
    const moved = this.#value[last] as number;
    let at = 0;
    for (let child = 1; child < last; child = 2 * at + 1) {
      if (child + 1 < last && this.#isBefore(child + 1, child)) child++;
      const childMs = this.#atMs[child] as number;
      if (atMs < childMs || (atMs === childMs && order < (this.#order[child] as number))) break;
      this.#move(child, at);
      at = child;
    }
    this.#set(at, atMs, order, moved);
    return value;
  }

  /** Becomes the same as another queue. */
  copyFrom(other: TimedHeap): void {
    while (this.#atMs.length < other.#size) this.#grow();
    this.#size = other.#size;
    this.#pushed = other.#pushed;
    this.#atMs.set(other.#atMs.subarray(0, other.#size));
    this.#order.set(other.#order.subarray(0, other.#size));
    this.#value.set(other.#value.subarray(0, other.#size));
  }

  #isBefore(a: number, b: number): boolean {
    const [aMs, bMs] = [this.#atMs[a] as number, this.#atMs[b] as number];
    return aMs < bMs || (aMs === bMs && (this.#order[a] as number) < (this.#order[b] as number));
  }

  #move(from: number, to: number): void {
    this.#atMs[to] = this.#atMs[from] as number;
    this.#order[to] = this.#order[from] as number;
    this.#value[to] = this.#value[from] as number;
  }

  #set(at: number, atMs: number, order: number, value: number): void {
    this.#atMs[at] = atMs;
    this.#order[at] = order;
    this.#value[at] = value;
  }

  #grow(): void {
    const size = 2 * this.#atMs.length;
    const wider = <T extends Float64Array | Int32Array>(into: T, from: T): T => {
      into.set(from);
      return into;
    };
    this.#atMs = wider(new Float64Array(size), this.#atMs);
    this.#order = wider(new Float64Array(size), this.#order);
    this.#value = wider(new Int32Array(size), this.#value);
  }
}
