import type { Clock } from "@fmlab/sim";
import type { KeepAliveFactory } from "../keep-alive/keep-alive-policy.ts";
import type { Network } from "../network/network.ts";
import type { Decision, PlacementRequest, Scheduler } from "../scheduling/scheduler.ts";
import type { InvocationTrace } from "../traces/invocation-trace.ts";
import type { Admission } from "./admission.ts";
import { ClusterSimulation } from "./cluster-simulation.ts";
import type { ClusterView } from "./cluster-view.ts";
import type { Migrator } from "./migrator.ts";
import type { SimulationResult } from "./result.ts";
import type { FunctionSpec, NodeFailure, NodeSpec, TransferModel } from "./specs.ts";

/** Everything a simulated cluster is made of. */
export interface SimulationOptions {
  nodes: readonly NodeSpec[];
  functions: readonly FunctionSpec[];
  trace: InvocationTrace;
  network: Network;
  scheduler: Scheduler;
  keepAlive: KeepAliveFactory;
  transfers?: TransferModel;
  /** Site that images come from while transfers are shared. */
  registrySite?: number;
  failures?: readonly NodeFailure[];
  /** How often a request may be lost with its node before it is given up. */
  retriesMax?: number;
  /** Requests that arrive before are simulated and not counted; use is integrated from then on. */
  warmupMs?: number;
  /** The scheduler sees the cluster as it was at the last multiple of this; 0: as it is. */
  snapshotEveryMs?: number;
  admission?: Admission;
  /** Moves jobs and warm containers; nothing moves without. */
  migrator?: Migrator;
  /** Real time, for the latency of decisions; every eighth is measured. */
  decisionClock?: Clock;
  /** Called after each decision, with what the scheduler saw. */
  onDecision?: (request: PlacementRequest, decision: Decision, view: ClusterView) => void;
}

/**
 * Runs a trace through a cluster under one scheduler and one keep-alive policy, in virtual time.
 * The same options (with schedulers and policies in their first state) give the same result to the
 * last bit, measured decision latencies aside.
 *
 * @throws CncError `NO_NODE_FITS`, `BAD_DECISION`, `BAD_SETTING`
 */
export function simulate(options: SimulationOptions): SimulationResult {
  return new ClusterSimulation(options).run();
}

/**
 * As `simulate`, but after each request waits for what `pause` gives, in real time: virtual time
 * stands still meanwhile. For schedulers that learn beside the simulation, in promises.
 *
 * @throws CncError as `simulate`
 */
export async function simulatePausing(
  options: SimulationOptions,
  pause: () => Promise<void> | undefined,
): Promise<SimulationResult> {
  return await new ClusterSimulation(options).runPausing(pause);
}
