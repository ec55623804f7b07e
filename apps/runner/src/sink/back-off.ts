/**
 * Waits between tries of a call to a server that is away: 250 ms, doubling, at most 5 s, with
 * jitter.
 */
export class BackOff {
  readonly #random: () => number;
  #tries = 0;

  /** @param random in [0, 1); spreads the agents that lost one server */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  nextMs(): number {
    const fullMs = Math.min(5_000, 250 * 2 ** this.#tries);
    this.#tries += 1;
    return fullMs * (0.5 + this.#random() / 2);
  }

  reset(): void {
    this.#tries = 0;
  }
}
