import type { Clock } from "@fmlab/sim";
import { createPrng, type Prng } from "@fmlab/sim";
import { unknownName } from "../errors.ts";
import { Governor } from "../governance/governor.ts";
import type { PolicySet } from "../governance/policies.ts";
import { createKeepAlive } from "../keep-alive/registry.ts";
import { learnedScheduler } from "../learn/learned-scheduler.ts";
import type { PolicyWeights } from "../learn/policy-weights.ts";
import { ServedPolicy } from "../learn/served-policy.ts";
import { SCHEDULER_NAMES, type SchedulerName } from "../scheduling/names.ts";
import { createScheduler } from "../scheduling/registry.ts";
import type { Decision, PlacementRequest, Scheduler } from "../scheduling/scheduler.ts";
import type { ClusterView } from "../simulator/cluster-view.ts";
import type { SimulationResult } from "../simulator/result.ts";
import { simulate } from "../simulator/simulate.ts";
import type { NodeFailure, NodeSpec, TransferModel } from "../simulator/specs.ts";
import { type RunSummary, summarise } from "../simulator/summary.ts";
import type { Cluster } from "../workload/build-cluster.ts";
import type { Workload } from "../workload/workload.ts";

/** One cluster and workload on which policies are compared. */
export interface Setting {
  cluster: Cluster;
  workload: Workload;
  policies: PolicySet;
  failures: NodeFailure[];
  transfers: TransferModel;
  keepAlive: string;
  keepMs: number;
  retriesMax: number;
  snapshotEveryMs: number;
  warmupMs: number;
  /** Of every tenant. */
  quota: number;
  seed: number;
  /** Of the learned policy, where one is compared. */
  learned?: PolicyWeights;
}

/** Called after each decision of a run. */
export type DecisionWatch = (
  request: PlacementRequest,
  decision: Decision,
  view: ClusterView,
  scheduler: Scheduler,
) => void;

/** A baseline, or the policy that the setting's weights make. */
export type ComparedName = SchedulerName | "learned";

/** What a policy did. */
export interface PolicyRun {
  name: ComparedName;
  result: SimulationResult;
  summary: RunSummary;
  /** Requests that ran where the rules forbid it; found after the run, apart from the mask. */
  violations: number;
  /** How often a tenant's quota held a request back. */
  heldBack: number;
}

/** Runs one policy; every policy sees the same requests, outages and chance of its own. */
export function runPolicy(
  setting: Setting,
  name: ComparedName,
  clock: Clock | undefined,
  watch?: DecisionWatch,
): PolicyRun {
  const { cluster, workload, policies, quota } = setting;
  const tenants = [...new Set(workload.functions.map(({ tenant }) => tenant))];
  const governor = new Governor(
    workload.functions,
    cluster.nodes,
    policies,
    tenants.map((tenant) => ({ name: tenant, quota, weight: 1 })),
  );
  const scheduler = schedulerOf(setting, name);
  const result = simulate({
    nodes: cluster.nodes,
    network: cluster.network,
    registrySite: cluster.registrySite,
    functions: workload.functions,
    trace: workload.trace,
    scheduler,
    keepAlive: createKeepAlive(setting.keepAlive, { keepMs: setting.keepMs }),
    transfers: setting.transfers,
    failures: setting.failures,
    retriesMax: setting.retriesMax,
    snapshotEveryMs: setting.snapshotEveryMs,
    warmupMs: setting.warmupMs,
    admission: governor,
    ...(clock && { decisionClock: clock }),
    ...(watch && {
      onDecision: (request, decision, view) => watch(request, decision, view, scheduler),
    }),
  });
  return {
    name,
    result,
    summary: summarise(result),
    violations: countViolations(result, policies),
    heldBack: governor.heldBack,
  };
}

function schedulerOf({ learned, seed }: Setting, name: ComparedName): Scheduler {
  if (name !== "learned") return createScheduler(name, createPrng(seed, "schedulers"));
  if (learned === undefined) throw unknownName("scheduler", name, SCHEDULER_NAMES);
  return learnedScheduler(new ServedPolicy(learned));
}

function countViolations(result: SimulationResult, policies: PolicySet): number {
  let count = 0;
  result.node.forEach((node, id) => {
    const spec = result.nodes[node]?.spec;
    const fn = result.functions[result.functionIndex[id] as number];
    if (spec && fn && !policies.judge(fn, spec).isAllowed) count++;
  });
  return count;
}

/** Random outages: exponential times between and lengths, each node by itself. */
export function drawFailures(
  nodes: readonly NodeSpec[],
  perNodeHour: number,
  meanMs: number,
  spanMs: number,
  prng: Prng,
): NodeFailure[] {
  if (perNodeHour === 0) return [];
  return nodes.flatMap((_, node) => {
    const draw = prng.fork(node);
    const failures: NodeFailure[] = [];
    for (let at = 0; ; ) {
      at += draw.exponential(3_600_000 / perNodeHour);
      if (at >= spanMs) return failures;
      const forMs = draw.exponential(meanMs);
      failures.push({ node, atMs: at, forMs });
      at += forMs;
    }
  });
}
