import { z } from "zod";
import type { ClusterSnapshot, NodeState } from "../../perception/snapshot.ts";
import { badDocument } from "../errors.ts";
import { parseQuantity } from "../kubernetes/quantity.ts";
import { parsePrometheusText, sumOf } from "./prometheus-text.ts";

/** A place that runs functions: one OpenFaaS gateway or provider. */
export interface OpenFaasSite {
  /** Name of the node it stands for. */
  node: string;
  url: string;
  credentials?: { user: string; password: string };
}

const functionList = z.array(
  z.object({
    name: z.string(),
    namespace: z.string().default("openfaas-fn"),
    replicas: z.number().default(0),
    availableReplicas: z.number().default(0),
    requests: z.object({ cpu: z.string().optional(), memory: z.string().optional() }).nullish(),
    usage: z.object({ totalMemoryBytes: z.number().default(0) }).nullish(),
  }),
);

/**
 * A snapshot of several OpenFaaS sites, each a node: its functions and its gateway's metrics. What
 * runs is what was begun less what has ended; warm is what stands ready beyond it. A site that does
 * not answer is down.
 */
export async function openFaasSnapshot(
  sites: readonly OpenFaasSite[],
  nowMs: number,
  timeoutMs = 5_000,
): Promise<ClusterSnapshot> {
  const nodes = await Promise.all(
    sites.map((site) => look(site, timeoutMs).catch(() => downNode(site.node))),
  );
  return { source: "openfaas", takenAtMs: nowMs, nodes };
}

async function look(site: OpenFaasSite, timeoutMs: number): Promise<NodeState> {
  const [list, metrics] = await Promise.all([
    get(site, "/system/functions", timeoutMs),
    get(site, "/metrics", timeoutMs),
  ]);
  const parsed = functionList.safeParse(JSON.parse(list));
  if (!parsed.success) throw badDocument(`functions of ${site.url}`, z.prettifyError(parsed.error));
  const { samples } = parsePrometheusText(metrics);
  const state = { ...downNode(site.node), isUp: true };
  for (const one of parsed.data) {
    const function_name = `${one.name}.${one.namespace}`;
    const begun = sumOf(samples, "gateway_function_invocation_started", { function_name });
    const ended = sumOf(samples, "gateway_function_invocation_total", { function_name });
    const running = Math.max(0, Math.min(begun - ended, one.availableReplicas));
    const cores = finite(parseQuantity(one.requests?.cpu ?? "0"));
    const memoryMb = finite(parseQuantity(one.requests?.memory ?? "0")) / 1e6;
    state.running += running;
    state.queued += Math.max(0, begun - ended - running);
    state.coresRequested += running * cores;
    state.memoryRequestedMb += one.replicas * memoryMb;
    state.memoryUsedMb += (one.usage?.totalMemoryBytes ?? 0) / 1e6;
    state.images.push(one.name);
    const warm = one.availableReplicas - running;
    if (warm > 0) state.warm[one.name] = warm;
  }
  return state;
}

async function get({ url, credentials }: OpenFaasSite, path: string, timeoutMs: number) {
  const login = credentials && Buffer.from(`${credentials.user}:${credentials.password}`);
  const headers = login ? { authorization: `Basic ${login.toString("base64")}` } : undefined;
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await fetch(new URL(path, url), { signal, ...(headers && { headers }) });
  if (!response.ok) throw badDocument(`${url}${path}`, `answered ${response.status}`);
  return response.text();
}

function downNode(name: string): NodeState {
  return {
    name,
    isUp: false,
    running: 0,
    queued: 0,
    coresRequested: 0,
    memoryRequestedMb: 0,
    memoryUsedMb: 0,
    acceleratorsRequested: 0,
    backlogMs: 0,
    warm: {},
    images: [],
  };
}

const finite = (value: number): number => (Number.isFinite(value) ? value : 0);
