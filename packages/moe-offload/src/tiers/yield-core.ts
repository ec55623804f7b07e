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
