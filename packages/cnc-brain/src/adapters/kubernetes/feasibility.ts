import type { NodeObject, PodObject, Requirement, SelectorTerm } from "./objects.ts";
import type { Amounts } from "./pod-facts.ts";

/** What pods on a node have taken. */
export interface NodeUse {
  requests: Record<string, number>;
  hostPorts: Set<string>;
  pods: number;
}

/** What a pod asks of any node, worked out once. */
export interface PodNeeds {
  pod: PodObject;
  requests: Amounts;
  hostPorts: readonly string[];
}

/**
 * Why a pod cannot run on a node, in Kubernetes' own words; undefined: it can. Covers what the
 * default filters NodeUnschedulable, NodeName, TaintToleration, NodeAffinity, NodePorts and
 * NodeResourcesFit cover.
 */
export function whyInfeasible(needs: PodNeeds, node: NodeObject, use: NodeUse): string | undefined {
  const { pod, requests, hostPorts } = needs;
  if (!isReady(node)) return "node(s) were not ready";
  if (node.spec?.unschedulable === true && !toleratesUnschedulable(pod)) {
    return "node(s) were unschedulable";
  }
  const taint = untolerated(pod, node);
  if (taint !== undefined) return `node(s) had untolerated taint(s) {${taint}}`;
  if (!matchesAffinity(pod, node)) return "node(s) didn't match Pod's node affinity/selector";
  if (hostPorts.some((port) => use.hostPorts.has(port))) {
    return "node(s) didn't have free ports for the requested pod ports";
  }
  const allocatable = node.status?.allocatable ?? {};
  if (use.pods + 1 > (allocatable.pods ?? 110)) return "Too many pods";
  for (const [name, amount] of Object.entries(requests)) {
    if (amount === 0) continue;
    if ((use.requests[name] ?? 0) + amount > (allocatable[name] ?? 0))
      return `Insufficient ${name}`;
  }
  return undefined;
}

/** Whether the node's Ready condition holds. */
export function isReady({ status }: NodeObject): boolean {
  return status?.conditions.some((one) => one.type === "Ready" && one.status === "True") ?? false;
}

function toleratesUnschedulable(pod: PodObject): boolean {
  return tolerates(pod, { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" });
}

function untolerated(pod: PodObject, { spec }: NodeObject): string | undefined {
  const taint = spec?.taints.find(
    ({ key, value, effect }) =>
      effect !== "PreferNoSchedule" && !tolerates(pod, { key, value, effect }),
  );
  return taint && `${taint.key}: ${taint.value ?? ""}`;
}

function tolerates(
  { spec }: PodObject,
  taint: { key: string; value?: string | null | undefined; effect: string },
): boolean {
  return spec.tolerations.some(({ key, operator, value, effect }) => {
    if (effect && effect !== taint.effect) return false;
    if (key && key !== taint.key) return false;
    if (operator === "Exists") return true;
    if (!key) return false;
    return (value ?? "") === (taint.value ?? "");
  });
}

function matchesAffinity({ spec }: PodObject, node: NodeObject): boolean {
  const { labels } = node.metadata;
  for (const [key, value] of Object.entries(spec.nodeSelector)) {
    if (labels[key] !== value) return false;
  }
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!required) return true;
  return required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

/** A term without any requirement matches nothing, as there. */
function matchesTerm({ matchExpressions, matchFields }: SelectorTerm, node: NodeObject): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  const fields: Record<string, string> = { "metadata.name": node.metadata.name };
  return (
    matchExpressions.every((one) => holds(one, node.metadata.labels)) &&
    matchFields.every((one) => holds(one, fields))
  );
}

function holds({ key, operator, values }: Requirement, labels: Record<string, string>): boolean {
  const value = labels[key];
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return value !== undefined && Number(value) > Number(values[0]);
    case "Lt":
      return value !== undefined && Number(value) < Number(values[0]);
  }
}

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were not ready.` */
export function tellReasons(nodeCount: number, reasons: ReadonlyMap<string, number>): string {
  const parts = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${nodeCount} nodes are available: ${parts.join(", ") || "there are none"}.`;
}
