import { type KeepAliveFactory, keepFor } from "./keep-alive-policy.ts";

/** Keeps every container until its memory is needed; the longest idle one goes first. */
export function lruKeepAlive(): KeepAliveFactory {
  return () => ({
    name: "lru",
    onIdle(container, nowMs) {
      container.priority = nowMs;
      return keepFor(Number.POSITIVE_INFINITY);
    },
  });
}
