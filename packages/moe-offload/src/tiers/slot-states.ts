/** What is going on with a slot. */
export const SLOT = {
  /** Nothing was submitted, or it was withdrawn. */
  idle: 0,
  prefetchQueued: 1,
  demandQueued: 2,
  /** Its transfer has begun. */
  running: 3,
  /** Its transfer has ended. */
  ready: 4,
} as const;

const STATE_BITS = 3;
const STATE_MASK = 7;

/**
 * The states of all slots in shared memory. A slot's word holds its state and a ticket: the number
 * of loads submitted for it so far (29 bits, wrapping). Each change names the ticket it is meant
 * for, so that nothing can happen to a load because of what was asked for an earlier one.
 */
export class SlotStates {
  readonly #words: Int32Array;

  /** @param words shared `[slotCount]`, zeros at first */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** The slot's state, whatever its ticket. */
  state(slot: number): number {
    return Atomics.load(this.#words, slot) & STATE_MASK;
  }

  /** The whole word: changes with every change of state. */
  word(slot: number): number {
    return Atomics.load(this.#words, slot);
  }

  /** The number of the load submitted last. */
  ticket(slot: number): number {
    return Atomics.load(this.#words, slot) >>> STATE_BITS;
  }

  /** True when the slot is in that state because of that load. */
  isLoad(slot: number, ticket: number, state: number): boolean {
    return Atomics.load(this.#words, slot) === ((ticket << STATE_BITS) | state);
  }

  /** Begins the next load in a state of waiting. The submitting thread only; returns its ticket. */
  submit(slot: number, state: number): number {
    const next = ((this.ticket(slot) + 1) << STATE_BITS) | state;
    Atomics.store(this.#words, slot, next);
    return next >>> STATE_BITS;
  }

  /** Changes the state if it is `from` and the load is the one meant; tells whether it was. */
  change(slot: number, ticket: number, from: number, to: number): boolean {
    const expected = (ticket << STATE_BITS) | from;
    const next = (ticket << STATE_BITS) | to;
    return Atomics.compareExchange(this.#words, slot, expected, next) === expected;
  }

  /** Sleeps until the word is not `word`, someone wakes the slot, or the time is over. */
  sleep(slot: number, word: number, timeoutMs: number): void {
    Atomics.wait(this.#words, slot, word, timeoutMs);
  }

  /** Wakes the thread that sleeps for the slot. */
  wake(slot: number): void {
    Atomics.notify(this.#words, slot);
  }
}
