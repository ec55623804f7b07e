import { SimError } from "./errors.ts";
import type { Simulation } from "./simulation.ts";

/**
 * The cores of one machine that several nodes share, as processes do: a task runs on any core that
 * is free, to its end; tasks that find none start in the order they came.
 */
export class SharedCores {
  readonly #simulation: Simulation;
  readonly #count: number;
  readonly #waiting: (() => number)[] = [];
  #busy = 0;

  /**
   * @param count cores of the machine, an integer >= 1
   * @throws SimError `BAD_RANGE`
   */
  constructor(simulation: Simulation, count: number) {
    if (!(Number.isInteger(count) && count >= 1)) {
      throw new SimError(`a machine's cores must be an integer >= 1, got ${count}`, {
        code: "BAD_RANGE",
        name: "count",
        value: count,
      });
    }
    this.#simulation = simulation;
    this.#count = count;
  }

  /**
   * Runs the task as soon as a core is free.
   *
   * @param task returns when it ends, in virtual ms
   */
  run(task: () => number): void {
    this.#waiting.push(task);
    this.#startWaiting();
  }

  #startWaiting(): void {
    while (this.#busy < this.#count) {
      const task = this.#waiting.shift();
      if (task === undefined) return;
      this.#busy++;
      let endMs = 0;
      try {
        endMs = task();
      } finally {
        if (endMs <= this.#simulation.nowMs()) this.#busy--;
        else this.#simulation.scheduleAt(endMs, () => this.#free());
      }
    }
  }

  #free(): void {
    this.#busy--;
    this.#startWaiting();
  }
}
