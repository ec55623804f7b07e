const FREE = 0;
const HELD = 1;
/** Held, and at least one thread sleeps for it. */
const WANTED = 2;

/**
 * Tries before a thread sleeps: some 2 us, several times what the guarded sections here take.
 * Longer waits mean that the holder lost its core.
 */
const SPIN_TRIES = 200;

/**
 * A lock between threads on one shared number, which begins as 0.
 *
 * @see Drepper, Futexes Are Tricky, 2011, section 6 ("mutex, take 2")
 */
export class SharedLock {
  readonly #word: Int32Array;
  readonly #index: number;

  /** @param index the entry of `word` that is the lock */
  constructor(word: Int32Array, index = 0) {
    this.#word = word;
    this.#index = index;
  }

  /** Runs `work` while no other thread runs under this lock. Not re-entrant. */
  guard<T>(work: () => T): T {
    this.#acquire();
    try {
      return work();
    } finally {
      this.#release();
    }
  }

  #acquire(): void {
    for (let tries = 0; tries < SPIN_TRIES; tries++) {
      if (Atomics.compareExchange(this.#word, this.#index, FREE, HELD) === FREE) return;
    }
    while (Atomics.exchange(this.#word, this.#index, WANTED) !== FREE) {
      Atomics.wait(this.#word, this.#index, WANTED);
    }
  }

  #release(): void {
    if (Atomics.exchange(this.#word, this.#index, FREE) !== WANTED) return;
    Atomics.notify(this.#word, this.#index, 1);
  }
}
