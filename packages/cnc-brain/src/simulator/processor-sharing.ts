import { EventQueue, type QueuedEvent, type ScheduledAction, type Simulation } from "@fmlab/sim";

/** Work that shares cores with others. */
export interface SharedJob {
  readonly cores: number;
  readonly done: () => void;
  entry: QueuedEvent<SharedJob> | undefined;
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
  readonly #jobs = new EventQueue<SharedJob>();
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
  add(workMs: number, cores: number, done: () => void): SharedJob {
    this.#advance();
    this.#coresAsked += cores;
    const job: SharedJob = { cores, done, entry: undefined };
    job.entry = this.#jobs.push(this.#virtualMs + workMs, job);
    this.#arm();
    return job;
  }

  /** Work that a job has left, in ms with all its cores; 0 for one that has ended. */
  leftMs({ entry }: SharedJob): number {
    this.#advance();
    return entry === undefined ? 0 : Math.max(0, entry.atMs - this.#virtualMs);
  }

  /** Takes a job out before its end; it is not told. */
  remove(job: SharedJob): void {
    if (job.entry === undefined) return;
    this.#advance();
    this.#jobs.cancel(job.entry);
    job.entry = undefined;
    this.#coresAsked -= job.cores;
    this.#arm();
  }

  /** Drops all jobs; none is told. */
  clear(): void {
    this.#advance();
    for (let job = this.#jobs.pop(); job !== undefined; job = this.#jobs.pop()) {
      job.value.entry = undefined;
    }
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
    job.value.entry = undefined;
    this.#coresAsked -= job.value.cores;
    this.#arm();
    job.value.done();
  }
}
