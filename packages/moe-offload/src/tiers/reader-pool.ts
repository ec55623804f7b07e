import { Worker } from "node:worker_threads";
import type { ReaderInput } from "./lane-memory.ts";

/** A thread that can read for one lane after another; starting one takes some 0.1 s. */
export class PooledReader {
  readonly #signal = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: Worker;

  constructor() {
    const entry = new URL("./reader-worker.mjs", import.meta.url);
    // The caller's flags (a loader, a debugger) are not for this thread; it registers its own
    // loader.
    this.#worker = new Worker(entry, { workerData: { signal: this.#signal }, execArgv: [] });
    // Failures come through shared memory; an event that nobody hears would end the process.
    this.#worker.on("error", () => {});
    this.#worker.unref();
  }

  /** Gives the thread a lane to read for; it must be done with the one before. */
  start(job: ReaderInput): void {
    this.#send(job);
  }

  /** Ends the thread, which must be idle. */
  dismiss(): void {
    this.#send(undefined);
  }

  #send(job: ReaderInput | undefined): void {
    this.#worker.postMessage(job);
    Atomics.add(this.#signal, 0, 1);
    Atomics.notify(this.#signal, 0);
  }
}

/** Threads kept for the next lane: as many as one lane can have. */
const IDLE_MAX = 17;

/**
 * Threads of closed lanes that wait for the next one, of this thread alone. They hold no files and
 * no memory of lanes, keep no process alive, and end with this thread.
 */
const idle: PooledReader[] = [];

/** Idle threads, and new ones where those do not suffice. All or none. */
export function takeReaders(count: number): PooledReader[] {
  const taken: PooledReader[] = [];
  try {
    while (taken.length < count) taken.push(idle.pop() ?? new PooledReader());
    return taken;
  } catch (error) {
    for (const reader of taken) keepReader(reader);
    throw error;
  }
}

/** Keeps a thread that is done with its lane for another one. */
export function keepReader(reader: PooledReader): void {
  if (idle.length < IDLE_MAX) idle.push(reader);
  else reader.dismiss();
}
