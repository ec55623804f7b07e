import { type KeepAliveFactory, keepFor } from "./keep-alive-policy.ts";

/**
 * Keeps every container until its memory is needed; the longest idle one goes first.
 *
 * @param containersMb its dial: memory of all containers beyond which idle ones go
 */
export function lruKeepAlive(containersMb = Number.POSITIVE_INFINITY): KeepAliveFactory {
  return () => ({
    name: "lru",
    containersMb,
    onIdle(container, nowMs) {
      container.priority = nowMs;
      return keepFor(Number.POSITIVE_INFINITY);
    },
  });
}
