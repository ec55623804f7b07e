import type { Prng } from "@fmlab/sim";
import { fixedKeepAlive } from "../../src/keep-alive/fixed.ts";
import { fixedRttNetwork } from "../../src/network/network.ts";
import type { SimulationOptions } from "../../src/simulator/simulate.ts";
import {
  type FunctionSpec,
  type NodeSpec,
  PLAIN_FUNCTION,
  PLAIN_NODE,
} from "../../src/simulator/specs.ts";
import type { InvocationTrace } from "../../src/traces/invocation-trace.ts";

export const plainNode = (fields: Partial<NodeSpec> = {}, index = 0): NodeSpec => ({
  ...PLAIN_NODE,
  name: `node-${index}`,
  ...fields,
});

export const plainFunction = (fields: Partial<FunctionSpec> = {}): FunctionSpec => ({
  ...PLAIN_FUNCTION,
  name: "f",
  ...fields,
});

/** Poisson arrivals of one function. */
export function poissonTrace(
  prng: Prng,
  count: number,
  meanGapMs: number,
  duration: (prng: Prng) => number,
): InvocationTrace {
  const arrivals = prng.fork("arrivals");
  const sizes = prng.fork("sizes");
  let nowMs = 0;
  const arrivalMs = Float64Array.from({ length: count }, () => {
    nowMs += arrivals.exponential(meanGapMs);
    return nowMs;
  });
  return {
    count,
    functionIndex: new Uint32Array(count),
    arrivalMs,
    durationMs: Float64Array.from({ length: count }, () => duration(sizes)),
    site: new Uint16Array(count),
  };
}

/** A small cluster of plain nodes at one site, no network delay. */
export function plainCluster(
  nodes: NodeSpec[],
  trace: InvocationTrace,
  scheduler: SimulationOptions["scheduler"],
): SimulationOptions {
  return {
    nodes,
    functions: [plainFunction()],
    trace,
    network: fixedRttNetwork(["here"], 0),
    scheduler,
    keepAlive: fixedKeepAlive(),
  };
}
