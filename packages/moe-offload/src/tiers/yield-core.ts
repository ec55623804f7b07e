import { createRequire } from "node:module";

type Koffi = typeof import("koffi");

/**
 * Lets another thread that waits for this core go first: called in every turn of a loop that spins,
 * so that two threads that have to share a core do not hold each other up. Some 0.3 us when nobody
 * waits. Does nothing where the system has no `sched_yield`.
 */
export const yieldCore: () => void = bind();

function bind(): () => void {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as Koffi;
    return koffi.load("libc.so.6").func("int sched_yield()") as () => void;
  } catch {
    return () => {};
  }
}

/**
 * Loads between two looks at the clock, some 10 us. Loads alone leave a core that shares its units
 * with the one computing undisturbed; calls of the clock and of the system slow that one down.
 */
const LOADS = 1000;

/** True when the entry kept its value for some 10 us; false as soon as it has not. */
export function staysAt(words: Int32Array, index: number, value: number): boolean {
  for (let i = 0; i < LOADS; i++) if (Atomics.load(words, index) !== value) return false;
  return true;
}
