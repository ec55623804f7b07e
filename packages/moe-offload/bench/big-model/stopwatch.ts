import { createRequire } from "node:module";

/** Kinds of work that a token's time is split into. */
export const KINDS = ["native", "scheduler", "waiting"] as const;
/** One of `KINDS`. */
export type Kind = (typeof KINDS)[number];

type Method = (...args: never[]) => unknown;

/** What a stopwatch reads. */
export interface StopwatchClock {
  nowMs(): number;
  /** What one reading takes. */
  costMs(): number;
}

/**
 * Splits time by wrapping functions: each kind gets the time inside its functions less that of
 * wrapped functions which they call, less what reading the clock costs. Single-threaded.
 */
export class Stopwatch {
  readonly #ms: Record<Kind, number> = { native: 0, scheduler: 0, waiting: 0 };
  readonly #calls: Record<Kind, number> = { native: 0, scheduler: 0, waiting: 0 };
  /** Time of wrapped calls within the one that is running. */
  #insideMs = 0;
  readonly #clock: StopwatchClock;
  readonly #readMs: number;

  constructor(clock: StopwatchClock) {
    this.#clock = clock;
    this.#readMs = clock.costMs();
  }

  /** Replaces a method of an object by one that is timed. */
  wrap<T extends object>(target: T, name: keyof T & string, kind: Kind): void {
    const original = (target[name] as Method).bind(target) as (...args: unknown[]) => unknown;
    const timed = (...args: unknown[]) => {
      const outerMs = this.#insideMs;
      this.#insideMs = 0;
      const startMs = this.#clock.nowMs();
      try {
        return original(...args);
      } finally {
        // Of two readings one falls into the interval, and the other into the caller's.
        const spentMs = this.#clock.nowMs() - startMs;
        this.#ms[kind] += Math.max(0, spentMs - this.#readMs - this.#insideMs);
        this.#calls[kind]++;
        this.#insideMs = outerMs + spentMs + this.#readMs;
      }
    };
    Object.defineProperty(target, name, { value: timed, configurable: true });
  }

  /** Forgets all times. */
  reset(): void {
    for (const kind of KINDS) {
      this.#ms[kind] = 0;
      this.#calls[kind] = 0;
    }
  }

  /** Times by kind, calls by kind, and what the clock itself has cost. */
  read(): { ms: Record<Kind, number>; calls: Record<Kind, number>; clockMs: number } {
    const calls = KINDS.reduce((sum, kind) => sum + this.#calls[kind], 0);
    return { ms: { ...this.#ms }, calls: { ...this.#calls }, clockMs: 2 * calls * this.#readMs };
  }
}

type ReadClock = (clock: number, time: BigInt64Array) => number;

/** A number of `clockid_t`: processor time of the calling thread. @see clock_gettime(2) */
const CLOCK_THREAD_CPUTIME_ID = 3;

/**
 * Processor time of this thread: unlike the wall clock it stands still while the thread sleeps or
 * others have its processor, so that a busy machine does not change what is measured.
 */
export class ThreadClock implements StopwatchClock {
  readonly #time = new BigInt64Array(2);
  readonly #read: ReadClock;

  constructor() {
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
    const library = koffi.load("libc.so.6");
    this.#read = library.func("clock_gettime", "int", ["int", "void*"]) as ReadClock;
    if (this.#read(CLOCK_THREAD_CPUTIME_ID, this.#time) !== 0) throw new Error("no thread clock");
  }

  nowMs(): number {
    this.#read(CLOCK_THREAD_CPUTIME_ID, this.#time);
    return Number(this.#time[0]) * 1e3 + Number(this.#time[1]) / 1e6;
  }

  /** What one reading takes. */
  costMs(): number {
    const count = 20_000;
    const startMs = this.nowMs();
    for (let i = 1; i < count; i++) this.nowMs();
    return (this.nowMs() - startMs) / count;
  }
}
