/** Kinds of work that a token's time is split into. */
export const KINDS = ["native", "scheduler", "waiting"] as const;
/** One of `KINDS`. */
export type Kind = (typeof KINDS)[number];

type Method = (...args: never[]) => unknown;

/**
 * Splits time by wrapping functions: each kind gets the time inside its functions less that of
 * wrapped functions which they call, less what reading the clock costs. Single-threaded.
 */
export class Stopwatch {
  readonly #ms: Record<Kind, number> = { native: 0, scheduler: 0, waiting: 0 };
  readonly #calls: Record<Kind, number> = { native: 0, scheduler: 0, waiting: 0 };
  /** Time of wrapped calls within the one that is running. */
  #insideMs = 0;
  readonly #readMs = clockCostMs();

  /** Replaces a method of an object by one that is timed. */
  wrap<T extends object>(target: T, name: keyof T & string, kind: Kind): void {
    const original = (target[name] as Method).bind(target) as (...args: unknown[]) => unknown;
    const timed = (...args: unknown[]) => {
      const outerMs = this.#insideMs;
      this.#insideMs = 0;
      const startMs = performance.now();
      try {
        return original(...args);
      } finally {
        // Of two readings one falls into the interval, and the other into the caller's.
        const spentMs = performance.now() - startMs;
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

/** Milliseconds that one reading of the clock takes. */
export function clockCostMs(): number {
  const count = 200_000;
  let sum = 0;
  const startMs = performance.now();
  for (let i = 0; i < count; i++) sum += performance.now();
  const elapsedMs = performance.now() - startMs;
  return sum > 0 ? elapsedMs / count : 0;
}
