/** Share of the newest value in the running means of times. */
const RATE = 0.2;
/** Experts that are loaded ahead whatever the times are: one under way, one ready. */
const SLOTS_MIN = 2;

/**
 * How many experts may wait to be computed, loaded or on their way, when their slots are taken from
 * experts that will be needed again. Enough that the link stays busy through the longest time in
 * which none is given up, which is mostly the attention; every one more would have to be loaded
 * again for nothing. Where the link is fast, a layer's worth is enough: it is there in no time, and
 * moving bytes that nobody misses takes memory bandwidth from whoever computes.
 */
export class StreamWindow {
  readonly #slotsMax: number;
  #transferMs = 0;
  #gapMs = 0;
  /** Of the current layer: the longest time so far, and when the last expert was given up. */
  #longestMs = 0;
  #doneMs = Number.POSITIVE_INFINITY;

  /** @param expertCount  experts of a layer */
  constructor(expertCount: number) {
    this.#slotsMax = expertCount;
  }

  /** The limit at the times measured so far. */
  get slots(): number {
    if (this.#transferMs === 0 || this.#gapMs === 0) return this.#slotsMax;
    return Math.min(this.#slotsMax, SLOTS_MIN + Math.ceil(this.#gapMs / this.#transferMs));
  }

  /** A pass begins: the time since the one before it is no gap. */
  beginPass(nowMs: number): void {
    this.#longestMs = 0;
    this.#doneMs = nowMs;
  }

  /** A transfer took so long, queueing not counted. */
  onTransfer(durationMs: number): void {
    this.#transferMs = mix(this.#transferMs, durationMs);
  }

  /** An expert was computed and given up. */
  onDone(nowMs: number): void {
    if (nowMs > this.#doneMs) this.#longestMs = Math.max(this.#longestMs, nowMs - this.#doneMs);
    this.#doneMs = nowMs;
  }

  /** The experts of a layer are all computed. */
  endLayer(): void {
    if (this.#longestMs > 0) this.#gapMs = mix(this.#gapMs, this.#longestMs);
    this.#longestMs = 0;
  }
}

function mix(mean: number, value: number): number {
  return mean === 0 ? value : mean + RATE * (value - mean);
}
