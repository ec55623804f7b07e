import { unknownName } from "../errors.ts";
import type { InvocationTrace } from "../traces/invocation-trace.ts";
import { FIXED_KEEP_MS, fixedKeepAlive } from "./fixed.ts";
import { greedyDualKeepAlive } from "./greedy-dual.ts";
import { hybridHistogramKeepAlive } from "./hybrid-histogram.ts";
import { keepAliveIndex } from "./keep-alive-index.ts";
import type { KeepAliveFactory } from "./keep-alive-policy.ts";
import { lruKeepAlive } from "./lru.ts";
import { KEEP_ALIVE_NAMES } from "./names.ts";
import { oracleKeepAlive } from "./oracle.ts";

/** What single policies can be told. */
export interface KeepAliveSettings {
  /** Of `fixed`. */
  keepMs?: number;
  /** Of `lru` and `greedy-dual`: memory of all containers beyond which idle ones go. */
  containersMb?: number;
  /** Of `hybrid-histogram`: range of the histogram, 240 as published. */
  rangeMinutes?: number;
  /** Of `index` and `oracle`: milliseconds of cold start for a megabyte-second. */
  memoryPrice?: number;
  /** Of `index`: memory of all containers that the price steers towards. */
  targetMb?: number;
  /** Of `index` and `oracle`: whether long cold starts count more. */
  saves?: "time" | "count";
  /** Of `oracle`: all that will arrive at the one node there is. */
  trace?: InvocationTrace;
}

/** A second of cold start is worth 10 minutes of 170 MB: the usual fixed policy, at the margin. */
export const DEFAULT_MEMORY_PRICE = 1000 / (170 * 600);

/**
 * A keep-alive policy by name.
 *
 * @throws CncError `UNKNOWN_NAME`
 */
export function createKeepAlive(name: string, settings: KeepAliveSettings = {}): KeepAliveFactory {
  const { memoryPrice = DEFAULT_MEMORY_PRICE, targetMb, trace, saves = "time" } = settings;
  switch (name) {
    case "fixed":
      return fixedKeepAlive(settings.keepMs ?? FIXED_KEEP_MS);
    case "lru":
      return lruKeepAlive(settings.containersMb);
    case "greedy-dual":
      return greedyDualKeepAlive(settings.containersMb);
    case "hybrid-histogram":
      return hybridHistogramKeepAlive(settings.rangeMinutes);
    case "index":
      return keepAliveIndex({ memoryPrice, saves, ...(targetMb !== undefined && { targetMb }) });
    case "oracle":
      if (trace !== undefined) return oracleKeepAlive(trace, memoryPrice, saves);
      throw unknownName("keep-alive policy without a trace", name, ["fixed", "lru", "index"]);
    default:
      throw unknownName("keep-alive policy", name, KEEP_ALIVE_NAMES);
  }
}
