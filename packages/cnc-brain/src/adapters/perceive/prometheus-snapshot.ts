import type { ClusterSnapshot, NodeState } from "../../perception/snapshot.ts";
import {
  type PrometheusApiOptions,
  queryPrometheus,
  type VectorElement,
} from "./prometheus-api.ts";

/** Queries whose results carry a label with the node's name. */
export interface SnapshotQueries {
  isUp: string;
  running: string;
  queued: string;
  coresRequested: string;
  memoryRequestedBytes: string;
  memoryUsedBytes: string;
  acceleratorsRequested: string;
}

/**
 * Queries over the metrics of kube-state-metrics and the kubelet's cAdvisor, as the Prometheus
 * operator's charts set them up.
 */
export const KUBERNETES_QUERIES: SnapshotQueries = {
  isUp: 'max by (node) (kube_node_status_condition{condition="Ready",status="true"})',
  running: podsInPhase("Running"),
  queued: podsInPhase("Pending"),
  coresRequested: requestsOf("cpu"),
  memoryRequestedBytes: requestsOf("memory"),
  memoryUsedBytes: 'sum by (node) (container_memory_working_set_bytes{container!=""})',
  acceleratorsRequested: requestsOf("nvidia_com_gpu"),
};

function podsInPhase(phase: string): string {
  const inPhase = `kube_pod_status_phase{phase="${phase}"} == 1`;
  return `count by (node) (kube_pod_info * on (namespace, pod) group_left () (${inPhase}))`;
}

function requestsOf(resource: string): string {
  return `sum by (node) (kube_pod_container_resource_requests{resource="${resource}"})`;
}

/** How a snapshot is taken. */
export interface PrometheusSnapshotOptions extends PrometheusApiOptions {
  queries: SnapshotQueries;
  /** Label that names the node. */
  nodeLabel: string;
}

/**
 * A snapshot from a Prometheus server: one query a column, all at once. Nodes are those that any
 * query names; a column without a value for a node is 0 there. It is as old as its oldest sample.
 *
 * @throws AdapterError `BAD_DOCUMENT` when a query fails: a half-known cluster is not handed on
 */
export async function prometheusSnapshot(
  options: PrometheusSnapshotOptions,
  nowMs: number,
): Promise<ClusterSnapshot> {
  const names = Object.keys(options.queries) as (keyof SnapshotQueries)[];
  const results = await Promise.all(
    names.map((name) => queryPrometheus(options, options.queries[name])),
  );
  const columns = Object.fromEntries(
    names.map((name, i) => [name, byNode(results[i] ?? [], options.nodeLabel)]),
  ) as Record<keyof SnapshotQueries, Map<string, number>>;
  const nodes = [...new Set(Object.values(columns).flatMap((column) => [...column.keys()]))].sort();
  const ages = results.flat().map(({ atMs }) => atMs);
  return {
    source: "prometheus",
    takenAtMs: ages.reduce((oldest, atMs) => Math.min(oldest, atMs), nowMs),
    nodes: nodes.map((name): NodeState => {
      const of = (column: keyof SnapshotQueries) => columns[column].get(name) ?? 0;
      return {
        name,
        isUp: of("isUp") > 0,
        running: of("running"),
        queued: of("queued"),
        coresRequested: of("coresRequested"),
        memoryRequestedMb: of("memoryRequestedBytes") / 1e6,
        memoryUsedMb: of("memoryUsedBytes") / 1e6,
        acceleratorsRequested: of("acceleratorsRequested"),
        backlogMs: 0,
        warm: {},
        images: [],
      };
    }),
  };
}

function byNode(elements: readonly VectorElement[], label: string): Map<string, number> {
  const column = new Map<string, number>();
  for (const { labels, value } of elements) {
    const name = labels[label];
    if (name !== undefined && Number.isFinite(value)) {
      column.set(name, (column.get(name) ?? 0) + value);
    }
  }
  return column;
}
