import { EventQueue, type QueuedEvent, type ScheduledAction, type Simulation } from "@fmlab/sim";

interface Job {
  cores: number;
  done: () => void;
  entry: QueuedEvent<Job> | undefined;
}

/**
 * Cores that everything which runs shares at once: each job has its cores whole while they suffice,
 * else the same fraction of them as every other job.
 *
 * All jobs advance alike, so one number (the work a job has had since the start) tells who ends
 * next: a job of work w that enters at v ends when that number reaches v + w.
 */
export class ProcessorSharing {
  readonly #simulation: Simulation;
  readonly #cores: number;
  readonly #jobs = new EventQueue<Job>();
  #coresAsked = 0;
  /** Work that a job present from the start would have had by `#sinceMs`, in ms at full share. */
  #virtualMs = 0;
  #sinceMs = 0;
  #next: ScheduledAction | undefined;

  constructor(simulation: Simulation, cores: number) {
    this.#simulation = simulation;
    this.#cores = cores;
  }

  /** Cores at work now. */
  get coresBusy(): number {
    return Math.min(this.#cores, this.#coresAsked);
  }

  /** Adds a job that needs `workMs` with all its cores. */
  add(workMs: number, cores: number, done: () => void): void {
    this.#advance();
    this.#coresAsked += cores;
    const job: Job = { cores, done, entry: undefined };
    job.entry = this.#jobs.push(this.#virtualMs + workMs, job);
    this.#arm();
  }

  /** Drops all jobs; none is told. */
  clear(): void {
    this.#advance();
    while (this.#jobs.pop() !== undefined);
    this.#coresAsked = 0;
    this.#arm();
  }

  /** Share of its cores that each job has. */
  #share(): number {
    return this.#coresAsked <= this.#cores ? 1 : this.#cores / this.#coresAsked;
  }

  #advance(): void {
    const nowMs = this.#simulation.nowMs();
    this.#virtualMs += (nowMs - this.#sinceMs) * this.#share();
    this.#sinceMs = nowMs;
  }

  #arm(): void {
    if (this.#next !== undefined) this.#simulation.cancel(this.#next);
    this.#next = undefined;
    const first = this.#jobs.peek();
    if (first === undefined) return;
    const leftMs = Math.max(0, first.atMs - this.#virtualMs) / this.#share();
    this.#next = this.#simulation.scheduleAfter(leftMs, () => this.#finish());
  }

  #finish(): void {
    this.#next = undefined;
    this.#advance();
    const job = this.#jobs.pop();
    if (job === undefined) return;
    // What is due now has had all its work, whatever rounding says.
    this.#virtualMs = Math.max(this.#virtualMs, job.atMs);
    this.#coresAsked -= job.value.cores;
    this.#arm();
    job.value.done();
  }
}
