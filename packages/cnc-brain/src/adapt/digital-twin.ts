import { createPrng, type Prng } from "@fmlab/sim";
import { fixedKeepAlive } from "../keep-alive/fixed.ts";
import type { Network } from "../network/network.ts";
import type { Scheduler } from "../scheduling/scheduler.ts";
import { simulate } from "../simulator/simulate.ts";
import type { FunctionSpec, NodeSpec } from "../simulator/specs.ts";
import { costOf } from "../simulator/summary.ts";
import { drawDurationMs } from "../traces/generator.ts";
import { type InvocationTrace, traceOfRows } from "../traces/invocation-trace.ts";

/** A request as the gateway saw it; how long it will run is not known there. */
export interface SeenRequest {
  arrivalMs: number;
  functionIndex: number;
  site: number;
}

/** Requests of the last while, and the cluster they met. */
export interface TwinWindow {
  nodes: readonly NodeSpec[];
  functions: readonly FunctionSpec[];
  network: Network;
  /** Nodes that answered at the end of the window. */
  up: Uint8Array;
  /** By arrival. */
  requests: readonly SeenRequest[];
  /** Requests before this one fill the cluster up and are not counted. */
  countedFrom: number;
  /** Of the durations that are drawn; the same seed gives all policies the same ones. */
  seed: number;
  /** Which node may run which function. */
  allows: (functionIndex: number, node: number) => boolean;
}

/** Far beyond any window. */
const FOR_GOOD_MS = 1e12;

/**
 * Plays a window through a simulated copy of the cluster under a policy.
 *
 * Durations are drawn around the functions' means, since a gateway does not know them; nodes that
 * are down are down throughout. What the rules forbid is forbidden here too.
 *
 * @returns cost of each counted request, `[requests - countedFrom]`
 */
export function playTwin(window: TwinWindow, scheduler: Scheduler): Float64Array {
  const { nodes, functions, network, up, countedFrom, allows } = window;
  const trace = traceOf(window, createPrng(window.seed, "twin"));
  const failures = [...nodes.keys()]
    .filter((node) => up[node] === 0)
    .map((node) => ({ node, atMs: 0, forMs: FOR_GOOD_MS }));
  const { responseMs } = simulate({
    nodes,
    functions,
    network,
    trace,
    scheduler,
    failures,
    keepAlive: fixedKeepAlive(),
    admission: { allows, acquire: () => true, release: () => {}, turn: () => 0 },
  });
  return responseMs.slice(countedFrom).map((ms, i) => {
    const fn = functions[trace.functionIndex[countedFrom + i] as number] as FunctionSpec;
    return costOf(ms, fn.sloMs);
  });
}

/** Mean cost of a request under a policy. */
export function twinCost(window: TwinWindow, scheduler: Scheduler): number {
  const costs = playTwin(window, scheduler);
  return costs.reduce((sum, cost) => sum + cost, 0) / Math.max(1, costs.length);
}

function traceOf({ requests, functions }: TwinWindow, prng: Prng): InvocationTrace {
  const firstMs = requests[0]?.arrivalMs ?? 0;
  return traceOfRows(
    requests.map(({ arrivalMs, functionIndex, site }) => ({
      functionIndex,
      site,
      // After the failures, which happen at 0.
      arrivalMs: arrivalMs - firstMs + 1,
      durationMs: drawDurationMs((functions[functionIndex] as FunctionSpec).meanDurationMs, prng),
    })),
  );
}
