import { Worker } from "node:worker_threads";
import type { JobAnswers, TrainingJob } from "./training-job.ts";

interface Waiting {
  job: TrainingJob;
  resolve: (answer: never) => void;
  reject: (error: Error) => void;
}

/** Threads that simulate: each does one job at a time, and takes the next that waits. */
export class TrainingPool {
  readonly #workers: Worker[];
  readonly #idle: Worker[];
  readonly #waiting: (Waiting & { id: number })[] = [];
  readonly #open = new Map<number, Waiting>();
  #next = 0;

  constructor(threads: number) {
    const entry = new URL("./training-thread.mjs", import.meta.url);
    this.#workers = Array.from({ length: threads }, () => new Worker(entry, { execArgv: [] }));
    this.#idle = [...this.#workers];
    for (const worker of this.#workers) {
      worker.on("message", (message) => this.#onAnswer(worker, message));
      worker.on("error", (error) => this.#failAll(error as Error));
    }
  }

  /**
   * Answers in the order of the jobs, however the threads shared them.
   *
   * @throws Error with the message of the first job that failed
   */
  all<J extends TrainingJob>(jobs: readonly J[]): Promise<JobAnswers[J["kind"]][]> {
    const answers = jobs.map(
      (job) =>
        new Promise<JobAnswers[J["kind"]]>((resolve, reject) => {
          const waiting = { job, resolve: resolve as (answer: never) => void, reject };
          this.#waiting.push({ ...waiting, id: this.#next++ });
        }),
    );
    this.#feed();
    return Promise.all(answers);
  }

  /** Ends the threads, whatever they are doing. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #feed(): void {
    while (this.#idle.length > 0 && this.#waiting.length > 0) {
      const worker = this.#idle.pop() as Worker;
      const { id, ...waiting } = this.#waiting.shift() as Waiting & { id: number };
      this.#open.set(id, waiting);
      worker.postMessage({ id, job: waiting.job });
    }
  }

  #onAnswer(worker: Worker, message: { id: number; answer?: never; error?: string }): void {
    const waiting = this.#open.get(message.id);
    this.#open.delete(message.id);
    this.#idle.push(worker);
    if (message.error !== undefined) waiting?.reject(new Error(message.error));
    else waiting?.resolve(message.answer as never);
    this.#feed();
  }

  #failAll(error: Error): void {
    for (const { reject } of [...this.#open.values(), ...this.#waiting]) reject(error);
    this.#open.clear();
    this.#waiting.length = 0;
  }
}
