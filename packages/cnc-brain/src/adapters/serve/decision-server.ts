import { z } from "zod";
import { explainDecision } from "../../governance/explain.ts";
import {
  applySnapshot,
  type ClusterSnapshot,
  snapshotCost,
  snapshotOf,
} from "../../perception/snapshot.ts";
import type { AuditJournal } from "../audit-journal.ts";
import type { Brain } from "../brain.ts";
import type { BrainMetrics } from "../brain-metrics.ts";
import {
  type HttpAnswer,
  HttpRefusal,
  type HttpRequest,
  HttpService,
  jsonBody,
} from "../http-service.ts";
import { addObservation } from "../observation-routes.ts";
import type { Timekeeper } from "../timekeeper.ts";
import type { ServedCluster } from "./cluster-document.ts";
import { Outstanding } from "./outstanding.ts";

const BODY_BYTES_MAX = 16 * 2 ** 20;

const decisionRequest = z.strictObject({
  function: z.string(),
  site: z.string().optional(),
  attempt: z.number().int().min(0).default(0),
  /** Name for the log. */
  label: z.string().max(200).default(""),
  explain: z.boolean().default(false),
});

const outcomeRequest = z.strictObject({
  id: z.number().int().min(0),
  node: z.string().optional(),
  responseMs: z.number().min(0),
  isCold: z.boolean().default(false),
});

const counts = z.number().min(0);
const snapshotRequest = z.object({
  source: z.enum(["simulator", "kubernetes", "prometheus", "openfaas"]),
  takenAtMs: z.number(),
  nodes: z.array(
    z.object({
      name: z.string(),
      isUp: z.boolean(),
      running: counts,
      queued: counts,
      coresRequested: counts,
      memoryRequestedMb: counts,
      memoryUsedMb: counts,
      acceleratorsRequested: counts,
      backlogMs: counts,
      warm: z.record(z.string(), counts),
      images: z.array(z.string()),
    }),
  ),
});

/** How a decision server is reached. */
export interface DecisionServerOptions {
  host: string;
  port: number;
}

/** What it serves. */
export interface DecisionServerParts {
  brain: Brain;
  cluster: ServedCluster;
  journal: AuditJournal;
  metrics: BrainMetrics;
  time: Timekeeper;
}

/**
 * Decisions over HTTP for whoever routes requests: ask where (`POST /v1/decisions`), tell how it
 * went (`POST /v1/outcomes`), keep the picture fresh (`PUT /v1/snapshot`). The log, the policy and
 * Prometheus' metrics can be read.
 */
export class DecisionServer {
  readonly #parts: DecisionServerParts;
  readonly #service: HttpService;
  readonly #outstanding: Outstanding;
  #next = 0;

  constructor(options: DecisionServerOptions, parts: DecisionServerParts) {
    this.#parts = parts;
    this.#outstanding = new Outstanding(parts.cluster);
    const { metrics } = parts;
    this.#service = new HttpService({
      ...options,
      bodyBytesMax: BODY_BYTES_MAX,
      onAnswer: (route, status) => {
        metrics.answers.inc({ route, status: String(status) });
        if (status === 400) metrics.malformed.inc({ source: "decisions" });
      },
    });
    this.#service
      .on("POST", "/v1/decisions", (request) => this.#decide(request))
      .on("POST", "/v1/outcomes", (request) => this.#hear(request))
      .on("GET", "/v1/snapshot", () => ({ status: 200, body: snapshotOf(parts.cluster.view) }))
      .on("PUT", "/v1/snapshot", (request) => this.#see(request))
      .on("GET", "/v1/policy", () => ({
        status: 200,
        body: {
          scheduler: parts.brain.scheduler.name,
          rules: parts.cluster.policies.rules,
          nodes: parts.cluster.view.nodeCount,
          functions: parts.cluster.view.functionCount,
        },
      }))
      .on("GET", "/v1/audit", () => ({
        status: 200,
        headers: { "content-type": "application/x-ndjson", "x-audit-head": parts.journal.head },
        body: parts.journal.entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""),
      }));
    addObservation(this.#service, metrics, () => true);
  }

  /** Begins to listen. */
  start(): Promise<string> {
    return this.#service.start();
  }

  /** Ends all connections. */
  stop(): Promise<void> {
    return this.#service.stop();
  }

  #decide(request: HttpRequest): HttpAnswer {
    const asked = jsonBody(request, decisionRequest);
    const { brain, cluster, time, metrics } = this.#parts;
    const functionIndex = indexIn(cluster.functionIndex, "function", asked.function);
    const site = asked.site === undefined ? 0 : indexIn(cluster.siteIndex, "site", asked.site);
    const id = this.#next++;
    const { attempt, label } = asked;
    const arrivalMs = time.nowMs();
    const verdict = brain.decide({ id, label, functionIndex, site, arrivalMs, attempt }, cluster);
    if (verdict.kind !== "placed") {
      const reasons = verdict.kind === "nowhere" ? Object.fromEntries(verdict.reasons) : {};
      return { status: 200, body: { id, result: verdict.kind, nodes: [], reasons } };
    }
    const { view, policies } = cluster;
    // Laid open on the picture it was made on, before it counts in it.
    const explanation = asked.explain
      ? explainDecision(verdict.request, view, brain.scheduler, verdict.nodes, { policies })
      : undefined;
    this.#outstanding.add(verdict.request, verdict.nodes);
    metrics.pending.set(this.#outstanding.size);
    const nodes = verdict.nodes.map((node) => view.node(node).name);
    const { scheduler } = verdict;
    const body = { id, result: "placed", nodes, scheduler, ...(explanation && { explanation }) };
    return { status: 200, body };
  }

  #hear(request: HttpRequest): HttpAnswer {
    const { id, node, responseMs, isCold } = jsonBody(request, outcomeRequest);
    const { brain, cluster, metrics } = this.#parts;
    const index = node === undefined ? undefined : indexIn(cluster.nodeIndex, "node", node);
    const decision = this.#outstanding.end(id);
    if (decision === undefined) throw new HttpRefusal(404, `no decision ${id} is under way`);
    metrics.pending.set(this.#outstanding.size);
    const outcome = {
      request: decision.request,
      node: index ?? decision.nodes[0] ?? 0,
      responseMs,
      isCold,
    };
    brain.scheduler.onFinished?.(outcome);
    return { status: 204 };
  }

  #see(request: HttpRequest): HttpAnswer {
    const snapshot: ClusterSnapshot = jsonBody(request, snapshotRequest);
    const { cluster, time } = this.#parts;
    const unknown = applySnapshot(cluster.view, snapshot);
    return { status: 200, body: { unknown, ...snapshotCost(snapshot, time.wallMs()) } };
  }
}

function indexIn(index: ReadonlyMap<string, number>, what: string, name: string): number {
  const found = index.get(name);
  if (found === undefined) throw new HttpRefusal(400, `there is no ${what} ${name}`);
  return found;
}
