import { type KeepAliveFactory, keepFor } from "./keep-alive-policy.ts";

/** Priority of a container: clock + frequency x cost / size (seconds of cold start over MB). */
export function greedyDualPriority(
  clock: number,
  frequency: number,
  coldStartSeconds: number,
  sizeMb: number,
): number {
  return clock + (frequency * coldStartSeconds) / sizeMb;
}

/**
 * Keep-alive as caching: containers stay until memory is needed, then the lowest priority goes and
 * the clock advances to it. A function's frequency is that of all its containers, and is forgotten
 * with the last of them.
 *
 * @param containersMb its dial: memory of all containers beyond which idle ones go
 * @see Fuerst, Sharma 2021, FaasCache (ASPLOS); its simulator's LambdaScheduler.py
 */
export function greedyDualKeepAlive(containersMb = Number.POSITIVE_INFINITY): KeepAliveFactory {
  return (functions) => {
    let clock = 0;
    const frequency = new Float64Array(functions.length);
    const containers = new Int32Array(functions.length);
    return {
      name: "greedy-dual",
      containersMb,
      onArrival(fn) {
        frequency[fn] = (frequency[fn] as number) + 1;
      },
      onCreate(fn) {
        containers[fn] = (containers[fn] as number) + 1;
      },
      onRemove(fn) {
        containers[fn] = (containers[fn] as number) - 1;
        if (containers[fn] === 0) frequency[fn] = 0;
      },
      onIdle(container) {
        const fn = container.functionIndex;
        const coldStartSeconds = (functions[fn]?.coldStartMs ?? 0) / 1000;
        const sizeMb = Math.max(1e-9, container.memoryMb);
        container.priority = greedyDualPriority(
          clock,
          frequency[fn] as number,
          coldStartSeconds,
          sizeMb,
        );
        return keepFor(Number.POSITIVE_INFINITY);
      },
      onEvict(container) {
        clock = Math.max(clock, container.priority);
      },
    };
  };
}
