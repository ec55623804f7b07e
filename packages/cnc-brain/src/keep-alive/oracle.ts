import type { InvocationTrace } from "../traces/invocation-trace.ts";
import { type KeepAliveFactory, keepFor } from "./keep-alive-policy.ts";

/**
 * Knows all requests of a cluster of one node: keeps a container to its next use if that costs less
 * memory-time than its cold start is worth, and lets it go at once if not; when memory is short the
 * one whose next use is farthest goes. It never starts containers ahead of need (a policy that
 * does and knew the future would have no cold starts at all).
 *
 * The next use of a container is read from the trace as if nothing were ever evicted and no request
 * waited; used last in, first out, as the pool does.
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
    const nextUseMs = nextUses(trace, functions.length);
    const releases = new Uint32Array(functions.length);
    return {
      name: "oracle",
      onIdle(container, nowMs) {
        const fn = container.functionIndex;
        const nextMs = nextUseMs[fn]?.[releases[fn] as number] ?? Number.POSITIVE_INFINITY;
        releases[fn] = (releases[fn] as number) + 1;
        const gapMs = Math.max(0, nextMs - nowMs);
        container.priority = -nextMs;
        const priceMs = memoryPrice * container.memoryMb * (gapMs / 1000);
        const savedMs = saves === "count" ? meanMs : (functions[fn]?.coldStartMs ?? 0);
        // Half a millisecond more: the arrival at the same time must still find it.
        return keepFor(priceMs < savedMs ? gapMs + 0.5 : 0);
      },
    };
  };
}

/** For each function, when the container of its n-th request to end is used next, or Infinity. */
export function nextUses(trace: InvocationTrace, functionCount: number): Float64Array[] {
  const requests: { arrivalMs: number; endMs: number }[][] = Array.from(
    { length: functionCount },
    () => [],
  );
  trace.functionIndex.forEach((fn, id) => {
    const arrivalMs = trace.arrivalMs[id] as number;
    requests[fn]?.push({ arrivalMs, endMs: arrivalMs + (trace.durationMs[id] as number) });
  });
  return requests.map((list) => {
    const ends = list.map(({ endMs }) => endMs).sort((a, b) => a - b);
    const uses = new Float64Array(list.length).fill(Number.POSITIVE_INFINITY);
    const idle: number[] = [];
    let next = 0;
    for (const { arrivalMs } of list) {
      // What ends at the moment of an arrival is there for it.
      for (; next < ends.length && (ends[next] as number) <= arrivalMs; next++) idle.push(next);
      const used = idle.pop();
      if (used !== undefined) uses[used] = arrivalMs;
    }
    return uses;
  });
}
