import { createPrng } from "@fmlab/sim";
import { HttpService } from "../http-service.ts";
import { addObservation } from "../observation-routes.ts";
import type { Rules } from "../rules-document.ts";
import { type BrainSettings, type StartedServer, startBrain } from "../start-brain.ts";
import type { Timekeeper } from "../timekeeper.ts";
import { ClientApi, loadClient, loadKubeConfig } from "./client-api.ts";
import { ClusterFollower } from "./cluster-follower.ts";
import { Extender } from "./extender.ts";
import { KubeCluster } from "./kube-cluster.ts";
import { KubeScheduler } from "./kube-scheduler.ts";

/** What both ways into Kubernetes are told. */
export interface KubernetesSettings extends BrainSettings {
  host: string;
  port: number;
  rules: Rules;
  /** Undefined: as kubectl finds it, or the pod's own account. */
  kubeconfig: string | undefined;
  context: string | undefined;
}

/** What a scheduler is told beyond that. */
export interface SchedulerSettings extends KubernetesSettings {
  schedulerName: string;
  leaseNamespace: string;
  leaseName: string;
  identity: string;
  bindingsMax: number;
}

/** What an extender is told beyond that. */
export interface ExtenderSettings extends KubernetesSettings {
  prefix: string;
  /** Follow the cluster: for `nodeCacheCapable: true`, and to bind. */
  isCached: boolean;
}

// Bookmarks come about every minute; two missed ones mean that nothing comes any more.
const WATCH = { idleMs: 150_000, retryMs: 500, retryMaxMs: 30_000 };

/**
 * Runs a Kubernetes scheduler with its probes and metrics at `address`.
 *
 * @throws AdapterError `NO_KUBERNETES_CLIENT` | `NO_CLUSTER`, CncError `UNKNOWN_NAME`
 */
export async function startKubeScheduler(
  settings: SchedulerSettings,
  time: Timekeeper,
): Promise<StartedServer> {
  const api = await clientOf(settings, settings.bindingsMax + 16);
  const { brain, metrics } = startBrain(settings, time);
  const prng = createPrng(settings.seed, "kube-scheduler");
  const scheduler = new KubeScheduler(
    {
      schedulerName: settings.schedulerName,
      lease: {
        namespace: settings.leaseNamespace,
        name: settings.leaseName,
        identity: settings.identity,
        durationMs: 15_000,
        renewDeadlineMs: 10_000,
        retryMs: 2_000,
      },
      bindingsMax: settings.bindingsMax,
      backOff: { firstMs: 1_000, maxMs: 10_000, parkedMs: 60_000 },
      watch: WATCH,
      stopGraceMs: 10_000,
    },
    { api, brain, cluster: new KubeCluster(settings.rules), metrics, time, prng },
  );
  const service = new HttpService({ ...listenAt(settings), bodyBytesMax: 1024 });
  addObservation(service, metrics, () => scheduler.isReady);
  const address = await service.start();
  const stop = new AbortController();
  const running = scheduler.run(stop.signal);
  return {
    address,
    async stop() {
      stop.abort();
      await running;
      await service.stop();
      api.close();
    },
  };
}

/**
 * Runs a scheduler extender.
 *
 * @throws AdapterError `NO_KUBERNETES_CLIENT` | `NO_CLUSTER`, CncError `UNKNOWN_NAME`
 */
export async function startExtender(
  settings: ExtenderSettings,
  time: Timekeeper,
): Promise<StartedServer> {
  const api = settings.isCached ? await clientOf(settings, 64) : undefined;
  const { brain, metrics } = startBrain(settings, time);
  const cluster = new KubeCluster(settings.rules);
  const stop = new AbortController();
  const prng = createPrng(settings.seed, "extender");
  const follower = api && new ClusterFollower(WATCH, { api, cluster, metrics, time, prng });
  const isReady = () => follower?.isSynced ?? true;
  const extender = new Extender(
    { ...listenAt(settings), prefix: settings.prefix },
    { brain, cluster, api, metrics, time, isReady },
  );
  const address = await extender.start();
  const following = follower?.run(stop.signal);
  return {
    address,
    async stop() {
      stop.abort();
      await extender.stop();
      await following;
      api?.close();
    },
  };
}

const listenAt = ({ host, port }: KubernetesSettings) => ({ host, port });

async function clientOf(
  { kubeconfig, context }: KubernetesSettings,
  connectionsMax: number,
): Promise<ClientApi> {
  const config = await loadKubeConfig({
    ...(kubeconfig !== undefined && { kubeconfig }),
    ...(context !== undefined && { context }),
  });
  return new ClientApi(await loadClient(), config, { requestTimeoutMs: 5_000, connectionsMax });
}
