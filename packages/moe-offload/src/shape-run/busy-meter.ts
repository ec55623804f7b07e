/**
 * Time in which graphs were computed. On a card the end of one overlaps what is begun behind it;
 * every moment counts once.
 */
export class BusyMeter {
  #sumMs = 0;
  #untilMs = Number.NEGATIVE_INFINITY;

  /** Something was computed; told in the order in which things ended. */
  add(startMs: number, endMs: number): void {
    this.#sumMs += Math.max(0, endMs - Math.max(startMs, this.#untilMs));
    this.#untilMs = Math.max(this.#untilMs, endMs);
  }

  get sumMs(): number {
    return this.#sumMs;
  }
}
