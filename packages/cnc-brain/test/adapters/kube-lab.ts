import { createPrng } from "@fmlab/sim";
import type { KubeConfig } from "@kubernetes/client-node";
import { AuditJournal } from "../../src/adapters/audit-journal.ts";
import { Brain } from "../../src/adapters/brain.ts";
import { BrainMetrics } from "../../src/adapters/brain-metrics.ts";
import { ClientApi, loadClient } from "../../src/adapters/kubernetes/client-api.ts";
import type { KubeApi } from "../../src/adapters/kubernetes/kube-api.ts";
import {
  KubeCluster,
  type KubeClusterOptions,
} from "../../src/adapters/kubernetes/kube-cluster.ts";
import { KubeScheduler } from "../../src/adapters/kubernetes/kube-scheduler.ts";
import { type Timekeeper, timekeeper } from "../../src/adapters/timekeeper.ts";
import { createScheduler } from "../../src/scheduling/registry.ts";

/** This machine's clocks. */
export const realTime: Timekeeper = timekeeper(
  () => performance.now(),
  () => Date.now(),
);

/** A kubeconfig for the stub. */
export async function configFor(server: string): Promise<KubeConfig> {
  const { KubeConfig } = await loadClient();
  const config = new KubeConfig();
  const cluster = { name: "stub", server, skipTLSVerify: true };
  config.loadFromClusterAndUser(cluster, { name: "tester", token: "secret-token" });
  return config;
}

/** The real client on the stub. */
export async function clientApi(server: string): Promise<ClientApi> {
  const options = { requestTimeoutMs: 2_000, connectionsMax: 64 };
  return new ClientApi(await loadClient(), await configFor(server), options);
}

/** A node of `cores` cores as a kubelet reports it. */
export function rawNode(name: string, cores = 4, more: Record<string, unknown> = {}) {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      uid: `uid-${name}`,
      labels: { "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": "zone-a" },
      ...(more.metadata as object),
    },
    spec: { ...(more.spec as object) },
    status: {
      allocatable: { cpu: String(cores), memory: "16Gi", pods: "110" },
      conditions: [{ type: "Ready", status: "True" }],
      ...(more.status as object),
    },
  };
}

/** A pod that waits for the scheduler `cnc-brain`. */
export function rawPod(name: string, cpu = "100m", spec: Record<string, unknown> = {}) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "shop",
      uid: `uid-${name}`,
      ownerReferences: [
        { apiVersion: "apps/v1", kind: "ReplicaSet", name: "cart", uid: "o", controller: true },
      ],
    },
    spec: {
      schedulerName: "cnc-brain",
      containers: [
        { name: "main", image: "shop/cart:1", resources: { requests: { cpu, memory: "64Mi" } } },
      ],
      ...spec,
    },
    status: { phase: "Pending" },
  };
}

/** A scheduler on an API with short waits. */
export function makeScheduler(
  api: KubeApi,
  options: { identity?: string; policy?: string; cluster?: Partial<KubeClusterOptions> } = {},
) {
  const metrics = new BrainMetrics();
  const journal = new AuditJournal();
  const prng = createPrng(7, options.identity ?? "first");
  const policy = options.policy ?? "least-connections";
  const brain = new Brain({
    scheduler: createScheduler(policy, prng),
    fallback: createScheduler("least-connections", prng),
    journal,
    metrics,
    clock: realTime,
  });
  const cluster = new KubeCluster({
    policies: [],
    tenants: [],
    zoneRttMs: {},
    defaultRttMs: 10,
    ...options.cluster,
  });
  const lease = {
    namespace: "kube-system",
    name: "cnc-brain",
    identity: options.identity ?? "first",
    durationMs: 1_000,
    renewDeadlineMs: 700,
    retryMs: 50,
  };
  const scheduler = new KubeScheduler(
    {
      schedulerName: "cnc-brain",
      lease,
      bindingsMax: 32,
      backOff: { firstMs: 20, maxMs: 200, parkedMs: 400 },
      watch: { idleMs: 400, retryMs: 10, retryMaxMs: 200 },
      stopGraceMs: 2_000,
    },
    { api, brain, cluster, metrics, time: realTime, prng },
  );
  return { scheduler, metrics, journal, cluster };
}

/** An API whose process dies: from then on nothing is sent and nothing is heard. */
export function mortal(api: KubeApi): { api: KubeApi; die: () => void } {
  let isDead = false;
  const never = () => new Promise<never>(() => {});
  const guarded = new Proxy(api, {
    get(target, name: keyof KubeApi) {
      const call = target[name] as (...given: unknown[]) => Promise<unknown>;
      return async (...given: unknown[]) => {
        if (isDead) return never();
        const result = await call.apply(target, given);
        return isDead ? never() : result;
      };
    },
  });
  return {
    api: guarded,
    die: () => {
      isDead = true;
    },
  };
}
