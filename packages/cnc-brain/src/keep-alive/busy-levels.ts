import type { InvocationTrace } from "../traces/invocation-trace.ts";

/**
 * How many requests of one function are at work just after each arrival, had every one a warm
 * container; and when that first rises to some number again. Of n containers used last in, first
 * out, the one that is free while n - 1 work is used next when n work.
 */
export class BusyLevels {
  readonly #arrivalMs: Float64Array;
  readonly #endMs: Float64Array;
  /** A tree of largest levels: node i over nodes 2i and 2i + 1; leaves are arrivals. */
  readonly #tree: Int32Array;
  readonly #leaves: number;

  /** @param requests of one function, by arrival */
  constructor(requests: readonly { arrivalMs: number; endMs: number }[]) {
    this.#endMs = Float64Array.from(requests, ({ endMs }) => endMs).sort();
    this.#arrivalMs = Float64Array.from(requests, ({ arrivalMs }) => arrivalMs);
    this.#leaves = 2 ** Math.ceil(Math.log2(Math.max(1, requests.length)));
    this.#tree = new Int32Array(2 * this.#leaves);
    let ended = 0;
    this.#arrivalMs.forEach((arrivalMs, i) => {
      // What ends at the moment of an arrival is free for it.
      while (ended <= i && (this.#endMs[ended] as number) <= arrivalMs) ended++;
      this.#tree[this.#leaves + i] = i + 1 - ended;
    });
    for (let i = this.#leaves - 1; i > 0; i--) {
      this.#tree[i] = Math.max(this.#tree[2 * i] as number, this.#tree[2 * i + 1] as number);
    }
  }

  /** How many work at a time. */
  busyAt(nowMs: number): number {
    return countUntil(this.#arrivalMs, nowMs) - countUntil(this.#endMs, nowMs);
  }

  /** The first arrival after `nowMs` at which at least `level` requests work; Infinity: none. */
  nextAt(level: number, nowMs: number): number {
    let at = this.#leaves + countUntil(this.#arrivalMs, nowMs);
    if (at >= 2 * this.#leaves) return Number.POSITIVE_INFINITY;
    // Up and to the right until a part that reaches the level, then down to its first leaf.
    while ((this.#tree[at] as number) < level) {
      while (at % 2 === 1) at >>= 1;
      if (at === 0) return Number.POSITIVE_INFINITY;
      at++;
    }
    while (at < this.#leaves) at = (this.#tree[2 * at] as number) >= level ? 2 * at : 2 * at + 1;
    return this.#arrivalMs[at - this.#leaves] ?? Number.POSITIVE_INFINITY;
  }
}

/** How many of rising times are at or before a time. */
function countUntil(times: Float64Array, nowMs: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] as number) <= nowMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The levels of each function of a trace. */
export function busyLevels(trace: InvocationTrace, functionCount: number): BusyLevels[] {
  const requests: { arrivalMs: number; endMs: number }[][] = Array.from(
    { length: functionCount },
    () => [],
  );
  trace.functionIndex.forEach((fn, id) => {
    const arrivalMs = trace.arrivalMs[id] as number;
    requests[fn]?.push({ arrivalMs, endMs: arrivalMs + (trace.durationMs[id] as number) });
  });
  return requests.map((list) => new BusyLevels(list));
}
