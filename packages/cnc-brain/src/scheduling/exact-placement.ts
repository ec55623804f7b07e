import { CncError, requireSetting } from "../errors.ts";
import type { Network } from "../network/network.ts";
import type { FunctionSpec, NodeSpec } from "../simulator/specs.ts";
import { costOf } from "../simulator/summary.ts";
import type { InvocationTrace } from "../traces/invocation-trace.ts";
import type { Scheduler } from "./scheduler.ts";

/** A small case: all requests from one site; containers live for ever; memory is no limit. */
export interface SmallCase {
  nodes: readonly NodeSpec[];
  functions: readonly FunctionSpec[];
  trace: InvocationTrace;
  network: Network;
}

/** The best placement there is. */
export interface ExactPlacement {
  /** Node of each request. */
  nodes: number[];
  /** Sum of the project's cost over all requests. */
  cost: number;
  /** Partial placements that were looked at. */
  visited: number;
}

/** More partial placements than this are refused: minutes of work. */
const VISITS_MAX = 20_000_000;

/** What a node will have done after some of the requests. */
interface NodePlan {
  freeAtMs: number[];
  lastStartMs: number;
  /** Per function: when each of its containers is free. */
  containers: Map<number, number[]>;
  /** When each image is there. */
  imageAtMs: Map<string, number>;
}

/**
 * The placement with the least sum of costs when all arrivals and durations are known: the integer
 * program's optimum, found by branch and bound over the requests in order. Exact for clusters that
 * start requests first come first served, as the simulator does.
 *
 * The bound of what is left: each request at its best node, warm and without a queue.
 *
 * @throws CncError `CASE_TOO_LARGE`, `BAD_SETTING` for what the case must not have
 */
export function exactPlacement(small: SmallCase): ExactPlacement {
  checkCase(small);
  const { trace, nodes, functions } = small;
  const rest = new Float64Array(trace.count + 1);
  for (let id = trace.count - 1; id >= 0; id--) {
    const least = Math.min(...nodes.map((_, node) => leastCost(small, id, node)));
    rest[id] = (rest[id + 1] as number) + least;
  }
  const chosen: number[] = new Array(trace.count).fill(0);
  const best: ExactPlacement = { nodes: [], cost: Number.POSITIVE_INFINITY, visited: 0 };
  const visit = (id: number, plans: readonly NodePlan[], cost: number): void => {
    if (++best.visited > VISITS_MAX) {
      throw new CncError(
        `${trace.count} requests on ${nodes.length} nodes need more than ${VISITS_MAX} steps; ` +
          "take fewer",
        { code: "CASE_TOO_LARGE", size: trace.count, limit: VISITS_MAX },
      );
    }
    if (id === trace.count) {
      best.cost = cost;
      best.nodes = [...chosen];
      return;
    }
    const { sloMs } = functions[trace.functionIndex[id] as number] as FunctionSpec;
    const options = nodes.map((_, node) => {
      const after = append(small, id, node, plans[node] as NodePlan);
      return { node, plan: after.plan, cost: costOf(after.responseMs, sloMs) };
    });
    options.sort((a, b) => a.cost - b.cost);
    for (const option of options) {
      const total = cost + option.cost;
      if (total + (rest[id + 1] as number) >= best.cost - 1e-12) break;
      chosen[id] = option.node;
      visit(
        id + 1,
        plans.map((plan, i) => (i === option.node ? option.plan : plan)),
        total,
      );
    }
  };
  const empty = nodes.map(({ cores }) => ({
    freeAtMs: new Array<number>(cores).fill(0),
    lastStartMs: 0,
    containers: new Map<number, number[]>(),
    imageAtMs: new Map<string, number>(),
  }));
  visit(0, empty, 0);
  return best;
}

/** A scheduler that follows a placement made before. */
export function plannedScheduler(name: string, nodes: readonly number[]): Scheduler {
  return { name, place: ({ id }) => nodes[id] ?? -1 };
}

function checkCase({ nodes, functions, trace }: SmallCase): void {
  const sites = new Set(trace.site);
  requireSetting(sites.size <= 1, "sites", sites.size, "one site in a case solved exactly");
  for (const node of nodes) {
    requireSetting(node.discipline === "fcfs", "discipline", node.discipline, "fcfs");
    requireSetting(Number.isInteger(node.cores), "cores", node.cores, "a whole number");
  }
  for (const fn of functions) {
    const isPlain = fn.cores === 1 && fn.accelerators === 0 && fn.kind === "function";
    requireSetting(isPlain, "functions", fn.name, "functions of one core, no accelerator");
    requireSetting(fn.requestKb + fn.responseKb + fn.dataKb === 0, "transfers", fn.name, "none");
  }
}

function leastCost(small: SmallCase, id: number, node: number): number {
  const fn = small.functions[small.trace.functionIndex[id] as number] as FunctionSpec;
  const spec = small.nodes[node] as NodeSpec;
  const runMs = (small.trace.durationMs[id] as number) / spec.speed;
  return costOf(rttMs(small, id, spec) + runMs, fn.sloMs);
}

function rttMs({ network, trace }: SmallCase, id: number, spec: NodeSpec): number {
  return network.rttMs(trace.site[id] as number, spec.site) + spec.accessRttMs;
}

/** What a node does with one request more. */
function append(
  small: SmallCase,
  id: number,
  node: number,
  plan: NodePlan,
): { plan: NodePlan; responseMs: number } {
  const { trace, functions } = small;
  const spec = small.nodes[node] as NodeSpec;
  const kind = trace.functionIndex[id] as number;
  const fn = functions[kind] as FunctionSpec;
  const halfMs = rttMs(small, id, spec) / 2;
  const arrivalMs = trace.arrivalMs[id] as number;
  const freeAtMs = [...plan.freeAtMs].sort((a, b) => a - b);
  const startMs = Math.max(arrivalMs + halfMs, freeAtMs[0] as number, plan.lastStartMs);
  const containers = [...(plan.containers.get(kind) ?? [])];
  // Idle containers are reused last in, first out; which one is the same to all that follows.
  const idle = containers.findIndex((free) => free <= startMs);
  const image = fn.image || `function ${kind}`;
  const pulledMs = startMs + (fn.imageMb * 8000) / spec.pullMbps;
  const imageAtMs = plan.imageAtMs.get(image) ?? pulledMs;
  const bootMs = idle >= 0 ? 0 : fn.coldStartMs + Math.max(0, imageAtMs - startMs);
  const endMs = startMs + bootMs + (trace.durationMs[id] as number) / spec.speed;
  freeAtMs[0] = endMs;
  if (idle >= 0) containers[idle] = endMs;
  else containers.push(endMs);
  return {
    responseMs: endMs + halfMs - arrivalMs,
    plan: {
      freeAtMs,
      lastStartMs: startMs,
      containers: new Map(plan.containers).set(kind, containers),
      imageAtMs: new Map(plan.imageAtMs).set(image, imageAtMs),
    },
  };
}
