/**
 * The cores of a machine, given to requests in the order of their arrival: one that asks for many
 * holds up those behind it, as in the simulator's `fcfs`. Infinity: nobody waits.
 */
export class CoreSlots {
  #free: number;
  readonly #waiting: { cores: number; start: () => void }[] = [];

  constructor(readonly cores: number) {
    this.#free = cores;
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Cores in use. */
  get used(): number {
    return this.cores === Number.POSITIVE_INFINITY ? 0 : this.cores - this.#free;
  }

  /** Resolves when the cores are free; call `release` after. */
  async acquire(cores: number): Promise<void> {
    const wanted = Math.min(cores, this.cores);
    if (this.#waiting.length === 0 && wanted <= this.#free) {
      this.#free -= wanted;
      return;
    }
    await new Promise<void>((start) => this.#waiting.push({ cores: wanted, start }));
  }

  release(cores: number): void {
    this.#free += Math.min(cores, this.cores);
    for (let next = this.#waiting[0]; next && next.cores <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.cores;
      next.start();
    }
  }
}
