import type { Clock } from "./clock.ts";
import { SimError } from "./errors.ts";
import type { SharedCores } from "./shared-cores.ts";
import type { Simulation } from "./simulation.ts";

/**
 * One core of a node: a queue of tasks that run one after another, each as long as it says.
 *
 * A task runs in one go at its virtual start; `use` moves the core's own clock on, so that what the
 * task sends afterwards leaves later and what arrives meanwhile waits. Tasks run in the order they
 * were submitted. Nodes that share a machine's cores also wait until one of these is free.
 */
export class Core implements Clock {
  readonly #simulation: Simulation;
  readonly #speed: number;
  readonly #shared: SharedCores | undefined;
  readonly #waiting: (() => void)[] = [];
  /** Tasks of `#waiting` that have run; cut off now and then, so that taking one is O(1). */
  #taken = 0;
  #freeAtMs = 0;
  #usedMs = 0;
  #isRunning = false;

  /**
   * @param speed how much faster than the machine that the costs were measured on; > 0
   * @param shared the cores of the machine that the node runs on, if it has none of its own
   * @throws SimError `BAD_RANGE`
   */
  constructor(simulation: Simulation, speed = 1, shared?: SharedCores) {
    if (!(speed > 0 && Number.isFinite(speed))) {
      throw new SimError(`a core's speed must be finite and > 0, got ${speed}`, {
        code: "BAD_RANGE",
        name: "speed",
        value: speed,
      });
    }
    this.#simulation = simulation;
    this.#speed = speed;
    this.#shared = shared;
  }

  /** Within a task: its start plus what it has used so far. Else the simulation's time. */
  nowMs(): number {
    return this.#isRunning ? this.#freeAtMs : this.#simulation.nowMs();
  }

  /** Milliseconds that tasks have used since the start. */
  get usedMs(): number {
    return this.#usedMs;
  }

  /** How many tasks wait. */
  get waitingCount(): number {
    return this.#waiting.length - this.#taken;
  }

  /** Runs the task now if the core is free, else when what was submitted before is done. */
  submit(task: () => void): void {
    const nowMs = this.#simulation.nowMs();
    const isIdle = !this.#isRunning && this.waitingCount === 0 && this.#freeAtMs <= nowMs;
    if (isIdle && this.#shared === undefined) {
      this.#run(task);
      return;
    }
    this.#waiting.push(task);
    if (isIdle) this.#wake();
    else if (this.waitingCount === 1 && !this.#isRunning) this.#wakeLater();
  }

  /**
   * The running task computes for so long, by the machine that the costs were measured on.
   *
   * @throws SimError `BAD_RANGE` when negative or not finite
   */
  use(costMs: number): void {
    if (!(costMs >= 0 && Number.isFinite(costMs))) {
      throw new SimError(`a task's cost must be finite and >= 0 ms, got ${costMs}`, {
        code: "BAD_RANGE",
        name: "costMs",
        value: costMs,
      });
    }
    this.#freeAtMs = Math.max(this.#freeAtMs, this.#simulation.nowMs()) + costMs / this.#speed;
    this.#usedMs += costMs / this.#speed;
  }

  #run(task: () => void): void {
    this.#isRunning = true;
    this.#freeAtMs = Math.max(this.#freeAtMs, this.#simulation.nowMs());
    try {
      task();
    } finally {
      this.#isRunning = false;
      if (this.waitingCount > 0) this.#wakeLater();
    }
  }

  #wakeLater(): void {
    const atMs = Math.max(this.#freeAtMs, this.#simulation.nowMs());
    this.#simulation.scheduleAt(atMs, () => this.#wake());
  }

  #wake(): void {
    if (this.#shared === undefined) this.#runWaiting();
    else this.#shared.run(() => this.#runWaiting());
  }

  /** Returns when the task ends. */
  #runWaiting(): number {
    const task = this.#waiting[this.#taken++] as () => void;
    if (this.#taken > 1_000 && this.#taken * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#taken);
      this.#taken = 0;
    }
    this.#run(task);
    return this.#freeAtMs;
  }
}
