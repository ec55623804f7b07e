import type { InvocationTrace } from "../traces/invocation-trace.ts";
import { busyLevels } from "./busy-levels.ts";
import type { KeepAliveFactory } from "./keep-alive-policy.ts";
import { keepFor } from "./keep-alive-policy.ts";

/**
 * Knows all requests of a cluster of one node: keeps a container to its next use if that costs less
 * memory-time than its cold start is worth, and lets it go at once if not; when memory is short the
 * one whose next use is farthest goes. It never starts containers ahead of need (a policy that
 * does and knew the future would have no cold starts at all).
 *
 * The next use of a container is when one more request works than now, in the trace with all
 * containers warm: they are used last in, first out, as the pool does. Cold starts move real ends
 * by seconds, so it is the optimum but for those.
 *
 * @param memoryPrice milliseconds of cold start that a megabyte-second of idle memory is worth
 * @param saves whether each cold start counts as long as it takes, or all the same
 * @see Belady 1966, for what to evict
 */
export function oracleKeepAlive(
  trace: InvocationTrace,
  memoryPrice: number,
  saves: "time" | "count" = "time",
): KeepAliveFactory {
  return (functions) => {
    const meanMs = functions.reduce((sum, f) => sum + f.coldStartMs, 0) / functions.length;
    const levels = busyLevels(trace, functions.length);
    return {
      name: "oracle",
      onIdle(container, nowMs) {
        const fn = container.functionIndex;
        const busy = levels[fn]?.busyAt(nowMs) ?? 0;
        const nextMs = levels[fn]?.nextAt(busy + 1, nowMs) ?? Number.POSITIVE_INFINITY;
        const gapMs = nextMs - nowMs;
        container.priority = -nextMs;
        const priceMs = memoryPrice * container.memoryMb * (gapMs / 1000);
        const savedMs = saves === "count" ? meanMs : (functions[fn]?.coldStartMs ?? 0);
        // Half a millisecond more: the arrival at the same time must still find it.
        return keepFor(priceMs < savedMs ? gapMs + 0.5 : 0);
      },
    };
  };
}
