import type { ClusterSnapshot } from "../../perception/snapshot.ts";
import type { KubeCluster } from "../kubernetes/kube-cluster.ts";

/**
 * A snapshot of a cluster that is followed through the Kubernetes API.
 *
 * @param nowMs by the clock of whoever decides; what the API told last is taken to hold now
 */
export function kubernetesSnapshot(cluster: KubeCluster, nowMs: number): ClusterSnapshot {
  const { view, indexOf } = cluster.model(nowMs);
  return {
    source: "kubernetes",
    takenAtMs: nowMs,
    nodes: [...indexOf].map(([name, i]) => ({
      name,
      isUp: view.up[i] !== 0,
      running: view.running[i] as number,
      queued: 0,
      coresRequested: view.coresRequested[i] as number,
      memoryRequestedMb: view.memoryRequestedMb[i] as number,
      memoryUsedMb: view.memoryUsedMb[i] as number,
      acceleratorsRequested: view.acceleratorsRequested[i] as number,
      backlogMs: 0,
      warm: {},
      images: view.functions.flatMap((fn, f) => (view.imageAt(i, f) ? [fn.name] : [])),
    })),
  };
}
