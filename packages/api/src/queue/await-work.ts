import type { EventHub } from "../events/event-hub.ts";

/** A claim that waits also looks by itself this often, should a notice be lost. */
const LOOK_EVERY_MS = 5_000;

/**
 * Tries `attempt` until it gives something, `waitMs` are over or `signal` aborts. Between tries it
 * sleeps until the organisation's queue is said to have changed.
 *
 * @param nowMs a monotonic clock
 */
export async function awaitWork<T>(
  hub: EventHub,
  organizationId: string,
  options: { waitMs: number; signal: AbortSignal | undefined; nowMs: () => number },
  attempt: () => Promise<T | null>,
): Promise<T | null> {
  const { waitMs, signal, nowMs } = options;
  const endMs = nowMs() + waitMs;
  let changed = false;
  let wake = () => {};
  // Subscribed before the first try, so that nothing falls between it and the wait.
  const unsubscribe = hub.subscribe(organizationId, (event) => {
    if (event.kind === "run") return;
    changed = true;
    wake();
  });
  const stop = () => wake();
  signal?.addEventListener("abort", stop);
  try {
    while (!signal?.aborted) {
      changed = false;
      const found = await attempt();
      const leftMs = endMs - nowMs();
      if (found !== null || leftMs <= 0) return found;
      if (changed) continue;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (changed || signal?.aborted) resolve();
        timer = setTimeout(resolve, Math.min(leftMs, LOOK_EVERY_MS));
      });
      clearTimeout(timer);
    }
    return null;
  } finally {
    signal?.removeEventListener("abort", stop);
    unsubscribe();
  }
}
