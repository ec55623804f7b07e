import type { Brain } from "../brain.ts";
import { candidatesOf } from "../brain.ts";
import type { BrainMetrics } from "../brain-metrics.ts";
import { type HttpAnswer, HttpRefusal, HttpService, jsonBody } from "../http-service.ts";
import { addObservation } from "../observation-routes.ts";
import type { Timekeeper } from "../timekeeper.ts";
import {
  type ExtenderArgs,
  type ExtenderFilterResult,
  extenderArgs,
  extenderBindingArgs,
  extenderPreemptionArgs,
  type HostPriority,
} from "./extender-wire.ts";
import { whyInfeasible } from "./feasibility.ts";
import type { KubeApi } from "./kube-api.ts";
import type { KubeCluster, KubeModel } from "./kube-cluster.ts";
import { type PodObject, type Read, readNode, readPod } from "./objects.ts";
import { PodBinder } from "./pod-binder.ts";
import { hostPortsOf, labelOf, requestsOf } from "./pod-facts.ts";
import { scoresOf } from "./priorities.ts";

/** Lists of thousands of whole nodes are long; with nodeCacheCapable only names come. */
const BODY_BYTES_MAX = 64 * 2 ** 20;

/** How an extender is reached. */
export interface ExtenderOptions {
  host: string;
  port: number;
  /** Path in front of the verbs, as in the scheduler's `urlPrefix`. */
  prefix: string;
}

/** What an extender needs. */
export interface ExtenderParts {
  brain: Brain;
  /** Kept up to date by reflectors where `nodeCacheCapable` is set; else filled by each request. */
  cluster: KubeCluster;
  /** For bind; undefined: another binds. */
  api: KubeApi | undefined;
  metrics: BrainMetrics;
  time: Timekeeper;
  isReady: () => boolean;
}

/**
 * A scheduler extender: Kubernetes' own scheduler asks it which nodes will do (filter), which are
 * better (prioritise), and to bind. Rules and quotas are judged in filter; a request that cannot be
 * understood is answered with an error, never with a guess.
 */
export class Extender {
  readonly #parts: ExtenderParts;
  readonly #service: HttpService;
  readonly #binder: PodBinder | undefined;
  readonly #stop = new AbortController();
  #asked = 0;

  constructor({ host, port, prefix }: ExtenderOptions, parts: ExtenderParts) {
    this.#parts = parts;
    const { api, metrics, time, isReady } = parts;
    this.#binder = api && new PodBinder({ api, metrics, time, retryMs: 50 });
    this.#service = new HttpService({
      host,
      port,
      bodyBytesMax: BODY_BYTES_MAX,
      onAnswer: (route, status) => {
        metrics.answers.inc({ route, status: String(status) });
        if (status === 400) metrics.malformed.inc({ source: "extender" });
      },
    });
    this.#service
      .on("POST", `${prefix}/filter`, (request) => ({
        status: 200,
        body: this.filter(jsonBody(request, extenderArgs)),
      }))
      .on("POST", `${prefix}/prioritize`, (request) => this.#prioritise(request.body))
      .on("POST", `${prefix}/bind`, async (request) => ({
        status: 200,
        body: await this.#bind(jsonBody(request, extenderBindingArgs)),
      }))
      .on("POST", `${prefix}/preempt`, (request) => ({
        status: 200,
        body: keepVictims(jsonBody(request, extenderPreemptionArgs)),
      }));
    addObservation(this.#service, metrics, isReady);
  }

  /** Begins to listen. */
  start(): Promise<string> {
    return this.#service.start();
  }

  /** Ends all connections. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#service.stop();
  }

  /** Which of the nodes asked about will do. */
  filter(args: ExtenderArgs): ExtenderFilterResult {
    const asked = this.#learn(args);
    const read = readPod(args.Pod);
    if (!("value" in read)) return failed(`the pod cannot be read: ${read.problem}`);
    const { model, place, needs } = this.#prepare(read.value);
    const FailedNodes: Record<string, string> = {};
    const FailedAndUnresolvableNodes: Record<string, string> = {};
    const passed = asked.filter((name) => {
      const index = model.indexOf.get(name);
      const node = this.#parts.cluster.node(name);
      if (index === undefined || node === undefined) {
        FailedNodes[name] = "the extender does not know this node";
        return false;
      }
      if (!model.governor.allows(place.functionIndex, index)) {
        FailedAndUnresolvableNodes[name] = "a policy forbids this node";
        return false;
      }
      const why = whyInfeasible(needs, node, this.#parts.cluster.useOf(name));
      if (why !== undefined) FailedNodes[name] = why;
      return why === undefined;
    });
    const isByName = args.NodeNames !== null && args.NodeNames !== undefined;
    const kept = new Set(passed);
    const items = (args.Nodes?.items ?? []).filter((raw) => kept.has(nameIn(readNode(raw))));
    return {
      Nodes: isByName ? null : { kind: "NodeList", apiVersion: "v1", metadata: {}, items },
      NodeNames: isByName ? passed : null,
      FailedNodes,
      FailedAndUnresolvableNodes,
      Error: "",
    };
  }

  /** Scores of the nodes asked about, 0 to 10. */
  prioritise(args: ExtenderArgs): HostPriority[] {
    const asked = this.#learn(args);
    const read = readPod(args.Pod);
    if (!("value" in read)) throw new HttpRefusal(400, `the pod cannot be read: ${read.problem}`);
    const { model, place } = this.#prepare(read.value);
    const wanted = new Set(asked.map((name) => model.indexOf.get(name)));
    const exclude = (node: number) => (wanted.has(node) ? undefined : "not asked about");
    const { functionIndex, site } = place;
    const { candidates } = candidatesOf({ functionIndex, exclude }, model.view, model.governor);
    const arrivalMs = this.#parts.time.nowMs();
    const id = this.#asked++;
    const request = { id, functionIndex, site, arrivalMs, attempt: 0, candidates };
    const scores = scoresOf(this.#parts.brain.scheduler, request, model.view);
    return asked.map((Host) => ({ Host, Score: scores.get(model.indexOf.get(Host) ?? -1) ?? 0 }));
  }

  #prioritise(body: Buffer): HttpAnswer {
    return { status: 200, body: this.prioritise(jsonBody({ body }, extenderArgs)) };
  }

  async #bind(args: {
    PodName: string;
    PodNamespace: string;
    PodUID: string;
    Node: string;
  }): Promise<{ Error: string }> {
    if (this.#binder === undefined) return { Error: "this extender has no API to bind with" };
    const metadata = { name: args.PodName, namespace: args.PodNamespace, uid: args.PodUID };
    const pod = await this.#podOf(metadata);
    if (typeof pod === "string") return { Error: pod };
    const result = await this.#binder.bind(pod, args.Node, this.#stop.signal);
    switch (result.kind) {
      case "bound": {
        this.#parts.cluster.place(pod, result.node);
        const isSame = result.node === args.Node;
        return { Error: isSame ? "" : `${labelOf(pod)} is already on ${result.node}` };
      }
      case "gone":
        return { Error: `${labelOf(pod)} is gone` };
      case "refused":
        return { Error: result.problem };
      case "unanswered":
        return { Error: "the API server does not answer" };
    }
  }

  async #podOf(ref: { namespace: string; name: string; uid: string }): Promise<PodObject | string> {
    try {
      const read = readPod(await this.#parts.api?.getPod(ref));
      return "value" in read ? read.value : `the pod cannot be read: ${read.problem}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** Names asked about; whole nodes are learnt on the way. */
  #learn({ Nodes, NodeNames }: ExtenderArgs): string[] {
    if (NodeNames !== null && NodeNames !== undefined) return NodeNames;
    return (Nodes?.items ?? []).flatMap((raw) => {
      const read = readNode(raw);
      if (!("value" in read)) {
        this.#parts.metrics.malformed.inc({ source: "node" });
        return [];
      }
      this.#parts.cluster.setNode(read.value);
      return [read.value.metadata.name];
    });
  }

  #prepare(pod: PodObject): {
    model: KubeModel;
    place: { functionIndex: number; site: number };
    needs: Parameters<typeof whyInfeasible>[0];
  } {
    const { cluster, time } = this.#parts;
    cluster.forgetOldKinds();
    const place = cluster.placeOf(pod);
    const model = cluster.model(time.nowMs());
    return { model, place, needs: { pod, requests: requestsOf(pod), hostPorts: hostPortsOf(pod) } };
  }
}

function nameIn(read: Read<{ metadata: { name: string } }>): string {
  return "value" in read ? read.value.metadata.name : "";
}

function failed(problem: string): ExtenderFilterResult {
  return {
    Nodes: null,
    NodeNames: null,
    FailedNodes: {},
    FailedAndUnresolvableNodes: {},
    Error: problem,
  };
}

/** Every choice of victims is agreed to: rules hold for nodes, not for who is on them. */
function keepVictims(args: {
  NodeNameToVictims?: unknown;
  NodeNameToMetaVictims?: unknown;
}): object {
  const { NodeNameToVictims, NodeNameToMetaVictims } = args as {
    NodeNameToVictims?: Record<
      string,
      { Pods?: { metadata: { uid: string } }[] | null; NumPDBViolations: number }
    > | null;
    NodeNameToMetaVictims?: object | null;
  };
  if (NodeNameToMetaVictims) return { NodeNameToMetaVictims };
  const entries = Object.entries(NodeNameToVictims ?? {}).map(([node, victims]) => [
    node,
    {
      Pods: (victims.Pods ?? []).map(({ metadata }) => ({ UID: metadata.uid })),
      NumPDBViolations: victims.NumPDBViolations,
    },
  ]);
  return { NodeNameToMetaVictims: Object.fromEntries(entries) };
}
