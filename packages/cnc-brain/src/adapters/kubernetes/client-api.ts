import { readFileSync } from "node:fs";
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type {
  CoordinationV1Api,
  CoreV1Api,
  KubeConfig,
  RequestContext,
  V1Lease,
} from "@kubernetes/client-node";
import { AdapterError } from "../errors.ts";
import { apiFailed, type KubeApi, type KubeList, type KubeResource } from "./kube-api.ts";

type Client = typeof import("@kubernetes/client-node");

const PATHS: Record<KubeResource, string> = { pods: "/api/v1/pods", nodes: "/api/v1/nodes" };
/** Pods that have ended take nothing and are never scheduled. */
const SELECTORS: Record<KubeResource, string | undefined> = {
  pods: "status.phase!=Succeeded,status.phase!=Failed",
  nodes: undefined,
};
const PAGE_ITEMS = 500;
/** Servers close a watch after so long; it is then begun again. */
const WATCH_SECONDS = 300;

/** Where a cluster is and how long it may take to answer. */
export interface ClientApiOptions {
  /** A kubeconfig's path; undefined: KUBECONFIG, ~/.kube/config, or the pod's own account. */
  kubeconfig?: string;
  context?: string;
  requestTimeoutMs: number;
  connectionsMax: number;
}

/**
 * Loads the Kubernetes client library, which takes a second: only who talks to a cluster does.
 *
 * @throws AdapterError `NO_KUBERNETES_CLIENT` where this Node cannot load it
 */
export async function loadClient(): Promise<Client> {
  // Trying is no way to find out: version 2 ends an older Node by an error nobody can catch.
  const { version } = readInstalled();
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (!version.startsWith("1.") && (major < 22 || (major === 22 && minor < 19))) {
    throw noClient(`version ${version} is installed, which needs Node 22.19`);
  }
  return import("@kubernetes/client-node");
}

function readInstalled(): { version: string } {
  try {
    const entry = createRequire(import.meta.url).resolve("@kubernetes/client-node");
    const manifest = join(dirname(entry), "..", "package.json");
    return JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  } catch (error) {
    throw noClient(error instanceof Error ? error.message : String(error));
  }
}

function noClient(reason: string): AdapterError {
  return new AdapterError(
    `@kubernetes/client-node cannot be loaded by Node ${process.version}: ${reason}; ` +
      "install version 1.4.0, which runs on Node 20",
    { code: "NO_KUBERNETES_CLIENT", nodeVersion: process.version, reason },
  );
}

/**
 * Reads a kubeconfig as kubectl does.
 *
 * @throws AdapterError `NO_CLUSTER`, `NO_KUBERNETES_CLIENT`
 */
export async function loadKubeConfig(options: Partial<ClientApiOptions>): Promise<KubeConfig> {
  const { KubeConfig } = await loadClient();
  const config = new KubeConfig();
  try {
    if (options.kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(options.kubeconfig);
    if (options.context !== undefined) config.setCurrentContext(options.context);
  } catch (error) {
    throw noCluster((error as Error).message);
  }
  if (!config.getCurrentCluster()) throw noCluster("the current context names no cluster");
  return config;
}

function noCluster(reason: string): AdapterError {
  return new AdapterError(`no Kubernetes cluster: ${reason}`, { code: "NO_CLUSTER", reason });
}

/**
 * The API through the client library: it builds and signs every request and knows every body; the
 * connections are ours, since its own are closed after each call and its watches die silently.
 */
export class ClientApi implements KubeApi {
  readonly #client: Client;
  readonly #config: KubeConfig;
  readonly #options: Pick<ClientApiOptions, "requestTimeoutMs" | "connectionsMax">;
  readonly #server: string;
  readonly #core: CoreV1Api;
  readonly #coordination: CoordinationV1Api;
  #agent: HttpAgent | undefined;

  constructor(
    client: Client,
    config: KubeConfig,
    options: Pick<ClientApiOptions, "requestTimeoutMs" | "connectionsMax">,
  ) {
    this.#client = client;
    this.#config = config;
    this.#options = options;
    this.#server = (config.getCurrentCluster()?.server ?? "").replace(/\/$/, "");
    const configuration = client.createConfiguration({
      baseServer: new client.ServerConfiguration(this.#server, {}),
      authMethods: { default: config },
      httpApi: client.wrapHttpLibrary({ send: (context) => this.#send(context) }),
    });
    this.#core = new client.CoreV1Api(configuration);
    this.#coordination = new client.CoordinationV1Api(configuration);
  }

  async list(resource: KubeResource, signal: AbortSignal): Promise<KubeList> {
    const items: unknown[] = [];
    let token = "";
    for (;;) {
      const query = { fieldSelector: SELECTORS[resource], limit: PAGE_ITEMS, continue: token };
      const page = await this.#getJson(`list ${resource}`, PATHS[resource], query, signal);
      if (!Array.isArray(page.items)) throw apiFailed(`list ${resource}`, 200, "no items in it");
      items.push(...page.items);
      const metadata = (page.metadata ?? {}) as Record<string, unknown>;
      token = typeof metadata.continue === "string" ? metadata.continue : "";
      if (token !== "") continue;
      return { items, resourceVersion: String(metadata.resourceVersion ?? "") };
    }
  }

  async watch(
    resource: KubeResource,
    resourceVersion: string,
    onLine: (line: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const what = `watch ${resource}`;
    const query = {
      watch: "true",
      resourceVersion,
      fieldSelector: SELECTORS[resource],
      allowWatchBookmarks: "true",
      timeoutSeconds: WATCH_SECONDS,
    };
    const response = await this.#open(what, this.#get(PATHS[resource], query), signal);
    try {
      for await (const line of createInterface({ input: response })) onLine(line);
    } catch (error) {
      throw apiFailed(what, undefined, (error as Error).message);
    } finally {
      response.destroy();
    }
    // A connection that broke ends the lines like one that was closed.
    if (!response.complete) throw apiFailed(what, undefined, "the connection broke");
  }

  async getPod({ namespace, name }: { namespace: string; name: string }): Promise<unknown> {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/`;
    return this.#getJson("get pod", path + encodeURIComponent(name), {});
  }

  async bind(pod: { namespace: string; name: string; uid: string }, node: string): Promise<void> {
    const { namespace, name, uid } = pod;
    await this.#call("bind", () =>
      this.#core.createNamespacedPodBinding({
        namespace,
        name,
        body: {
          apiVersion: "v1",
          kind: "Binding",
          metadata: { namespace, name, uid },
          target: { apiVersion: "v1", kind: "Node", name: node },
        },
      }),
    );
  }

  async createEvent(namespace: string, body: Parameters<KubeApi["createEvent"]>[1]): Promise<void> {
    await this.#call("create event", () => this.#core.createNamespacedEvent({ namespace, body }));
  }

  async markUnschedulable(
    { namespace, name, uid }: { namespace: string; name: string; uid: string },
    message: string,
    atIso: string,
  ): Promise<void> {
    const condition = {
      type: "PodScheduled",
      status: "False",
      reason: "Unschedulable",
      message,
      lastTransitionTime: atIso,
    };
    const body = { metadata: { uid }, status: { conditions: [condition] } };
    const { StrategicMergePatch } = this.#client.PatchStrategy;
    const options = this.#client.setHeaderOptions("Content-Type", StrategicMergePatch);
    await this.#call("patch pod status", () =>
      this.#core.patchNamespacedPodStatus({ namespace, name, body }, options),
    );
  }

  async getLease(namespace: string, name: string): Promise<V1Lease | undefined> {
    try {
      return await this.#call("get lease", () =>
        this.#coordination.readNamespacedLease({ namespace, name }),
      );
    } catch (error) {
      if (error instanceof AdapterError && error.failure.code === "API_FAILED") {
        if (error.failure.status === 404) return undefined;
      }
      throw error;
    }
  }

  async putLease(namespace: string, body: V1Lease): Promise<V1Lease> {
    const name = body.metadata?.name ?? "";
    const isNew = body.metadata?.resourceVersion === undefined;
    return this.#call("put lease", () =>
      isNew
        ? this.#coordination.createNamespacedLease({ namespace, body })
        : this.#coordination.replaceNamespacedLease({ namespace, name, body }),
    );
  }

  /** Closes idle connections. */
  close(): void {
    this.#agent?.destroy();
  }

  async #call<T>(what: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof AdapterError) throw error;
      if (error instanceof this.#client.ApiException) {
        throw apiFailed(what, error.code, tellBody(error.body), retryAfter(error.headers));
      }
      throw apiFailed(what, undefined, error instanceof Error ? error.message : String(error));
    }
  }

  #get(path: string, query: Readonly<Record<string, unknown>>): RequestContext {
    const url = new URL(this.#server + path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== "") url.searchParams.set(name, String(value));
    }
    return new this.#client.RequestContext(url.toString(), this.#client.HttpMethod.GET);
  }

  async #getJson(
    what: string,
    path: string,
    query: Readonly<Record<string, unknown>>,
    signal?: AbortSignal,
  ): Promise<Record<string, unknown>> {
    const deadline = AbortSignal.timeout(this.#options.requestTimeoutMs);
    const both = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
    const response = await this.#open(what, this.#get(path, query), both);
    try {
      const value: unknown = JSON.parse((await readAll(response)).toString("utf8"));
      if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
    } catch (error) {
      throw apiFailed(what, undefined, (error as Error).message);
    }
    throw apiFailed(what, response.statusCode, "no object");
  }

  /** An answer of status 200 whose body is still to be read. */
  async #open(what: string, context: RequestContext, signal: AbortSignal) {
    let response: IncomingMessage;
    try {
      await this.#config.applySecurityAuthentication(context);
      response = await this.#connect(context, signal);
    } catch (error) {
      throw apiFailed(what, undefined, (error as Error).message);
    }
    if (response.statusCode === 200) return response;
    const text = (await readAll(response).catch(() => Buffer.alloc(0))).toString("utf8");
    throw apiFailed(what, response.statusCode, text, retryAfter(response.headers));
  }

  /** Sends a request of the library over a kept connection. */
  async #send(context: RequestContext) {
    const signal = AbortSignal.timeout(this.#options.requestTimeoutMs);
    const response = await this.#connect(context, signal);
    const binary = await readAll(response);
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(response.headers)) headers[name] = String(value);
    const body = {
      text: async () => binary.toString("utf8"),
      binary: async () => binary,
      stream: () => new Blob([new Uint8Array(binary)]).stream(),
    };
    return new this.#client.ResponseContext(response.statusCode ?? 0, headers, body);
  }

  async #connect(context: RequestContext, signal: AbortSignal): Promise<IncomingMessage> {
    this.#agent ??= await this.#makeAgent();
    const agent = this.#agent;
    const url = new URL(context.getUrl());
    const body = context.getBody();
    const headers = { accept: "application/json", ...context.getHeaders() };
    const request = url.protocol === "https:" ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const method = context.getHttpMethod();
      const outgoing = request(url, { method, headers, agent, signal }, resolve);
      outgoing.on("error", reject);
      outgoing.end(typeof body === "string" ? body : undefined);
    });
  }

  async #makeAgent(): Promise<HttpAgent> {
    const kept = { keepAlive: true, maxSockets: this.#options.connectionsMax, scheduling: "lifo" };
    const tls: import("node:https").RequestOptions = {};
    await this.#config.applyToHTTPSOptions(tls);
    if (!this.#server.startsWith("https:")) return new HttpAgent(kept as { keepAlive: true });
    const { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized } = tls;
    const given = { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized };
    const known = Object.entries(given).filter(([, value]) => value !== undefined);
    return new HttpsAgent({ ...kept, ...Object.fromEntries(known) } as { keepAlive: true });
  }
}

async function readAll(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function retryAfter(headers: Readonly<Record<string, string | string[] | undefined>>): number {
  const seconds = Number(headers["retry-after"]);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
}

function tellBody(body: unknown): string {
  if (typeof body === "string") return body;
  const message = (body as { message?: unknown } | null)?.message;
  return typeof message === "string" ? message : JSON.stringify(body ?? "");
}
