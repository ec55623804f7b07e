/** The part of the Web Locks API that an election needs. */
export interface Locks {
  request(
    name: string,
    options: { signal: AbortSignal },
    held: () => Promise<void>,
  ): Promise<unknown>;
}

export interface Election {
  /** One leader a name, over all tabs of a browser. */
  name: string;
  /**
   * Undefined where the browser has no Web Locks (a page over plain http): then each tab leads
   * itself.
   */
  locks: Locks | undefined;
  /** Called when this tab leads; returns what ends the leading. */
  lead: () => () => void;
}

/**
 * Takes part in an election until the returned function is called. The browser gives the lock to
 * the next waiting tab when the leader closes, crashes or resigns, so that there is always exactly
 * one.
 */
export function standForElection({ name, locks, lead }: Election): () => void {
  if (locks === undefined) return lead();
  const resign = new AbortController();
  const { signal } = resign;
  locks
    .request(name, { signal }, async () => {
      if (signal.aborted) return;
      const stop = lead();
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      stop();
    })
    .catch((error: unknown) => {
      // Giving up while still waiting for the lock is the one expected failure.
      if (!signal.aborted) throw error;
    });
  return () => resign.abort();
}
