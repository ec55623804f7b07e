import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import type { Prng } from "@fmlab/sim";
import { Lease } from "kubernetes-models/coordination.k8s.io/v1/Lease";
import { Binding } from "kubernetes-models/v1/Binding";
import { Event } from "kubernetes-models/v1/Event";
import { Node } from "kubernetes-models/v1/Node";
import { Pod } from "kubernetes-models/v1/Pod";

type Raw = Record<string, unknown> & {
  metadata: Record<string, unknown> & { name: string; namespace?: string; uid: string };
};

/** What goes wrong, each with its probability. */
export interface KubeFaults {
  /** A binding is refused by 409 and not made. */
  conflict: number;
  /** A binding is made, and the connection cut before the answer. */
  boundUnanswered: number;
  /** The connection is cut, and nothing was bound. */
  lostRequest: number;
  /** The connection is cut, and the binding is made some time later. */
  late: number;
  /** An event of a watch comes a second time, some time later. */
  duplicate: number;
  /** A line of a watch is followed by one that is no event. */
  garbage: number;
}

export const NO_FAULTS: KubeFaults = {
  conflict: 0,
  boundUnanswered: 0,
  lostRequest: 0,
  late: 0,
  duplicate: 0,
  garbage: 0,
};

/**
 * As much of a Kubernetes API server as a scheduler talks to, over real HTTP, with every body
 * checked against Kubernetes' OpenAPI schemas. It is meaner than a real one: a second binding of a
 * pod is accepted and noted, so that only the scheduler can prevent it.
 */
export class KubeStub {
  readonly #server: Server;
  readonly #prng: Prng;
  readonly #pods = new Map<string, Raw>();
  readonly #nodes = new Map<string, Raw>();
  readonly #leases = new Map<string, Raw>();
  readonly #log: { version: number; resource: string; type: string; object: Raw }[] = [];
  readonly #watches = new Set<{ resource: string; response: ServerResponse }>();
  readonly #waiting: { holds: () => boolean; resolve: () => void }[] = [];
  #version = 1;
  #oldest = 0;
  faults = NO_FAULTS;
  /** Delay of each answer, ms. */
  delayMs: () => number = () => 0;
  /** Nodes each pod was bound to, in order; two different ones are a double binding. */
  readonly bindings = new Map<string, string[]>();
  readonly events: Raw[] = [];
  /** Bodies that the schemas refused. */
  readonly invalid: string[] = [];
  /** The first body of each kind of call, as it was sent. */
  readonly recorded = new Map<string, unknown>();
  listCount = 0;

  constructor(prng: Prng) {
    this.#prng = prng;
    this.#server = createServer((request, response) => {
      request.on("error", () => {});
      response.on("error", () => {});
      this.#serve(request, response).catch((error: unknown) => {
        response.destroy(error as Error);
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  /** Resolves as soon as the condition holds; asked after every change. */
  async until(holds: () => boolean): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve) => this.#waiting.push({ holds, resolve }));
  }

  addNode(raw: Raw): void {
    new Node(raw as never).validate();
    this.#put("nodes", this.#nodes, raw, "ADDED");
  }

  removeNode(name: string): void {
    const node = this.#nodes.get(`/${name}`);
    if (node === undefined) return;
    this.#nodes.delete(`/${name}`);
    this.#publish("nodes", "DELETED", this.#stamp(node));
  }

  addPod(raw: Raw): void {
    new Pod(raw as never).validate();
    this.#put("pods", this.#pods, raw, "ADDED");
  }

  removePod(namespace: string, name: string): void {
    const pod = this.#pods.get(`${namespace}/${name}`);
    if (pod === undefined) return;
    this.#pods.delete(`${namespace}/${name}`);
    this.#publish("pods", "DELETED", this.#stamp(pod));
  }

  pods(): Raw[] {
    return [...this.#pods.values()];
  }

  /** Cuts every watch. */
  dropWatches(): void {
    for (const { response } of this.#watches) response.destroy();
  }

  /** Forgets old versions: whoever watches from one of them gets a 410, as a line or a status. */
  compact(): void {
    this.#oldest = this.#version;
    const status = { kind: "Status", apiVersion: "v1", code: 410, reason: "Expired" };
    for (const { response } of this.#watches) {
      response.end(`${JSON.stringify({ type: "ERROR", object: status })}\n`);
    }
  }

  /** Sends something to all who watch. */
  sendLine(line: string): void {
    for (const { response } of this.#watches) response.write(`${line}\n`);
  }

  get doubleBindings(): number {
    return [...this.bindings.values()].filter((nodes) => new Set(nodes).size > 1).length;
  }

  #stamp(raw: Raw): Raw {
    this.#version++;
    return { ...raw, metadata: { ...raw.metadata, resourceVersion: String(this.#version) } };
  }

  #put(resource: string, store: Map<string, Raw>, raw: Raw, type: string): Raw {
    const stamped = this.#stamp(raw);
    store.set(`${raw.metadata.namespace ?? ""}/${raw.metadata.name}`, stamped);
    this.#publish(resource, type, stamped);
    return stamped;
  }

  #publish(resource: string, type: string, object: Raw): void {
    this.#log.push({ version: this.#version, resource, type, object });
    for (const watch of this.#watches) {
      if (watch.resource === resource) this.#line(watch.response, type, object);
    }
    this.#check();
  }

  #line(response: ServerResponse, type: string, object: Raw): void {
    const line = `${JSON.stringify({ type, object })}\n`;
    response.write(line);
    if (this.#prng.chance(this.faults.garbage)) response.write('{"type":"MODIFIED","obj\n');
    // Old news, some time after newer ones.
    if (this.#prng.chance(this.faults.duplicate)) {
      void wait(this.#prng.nextInt(60)).then(() => {
        if (!response.destroyed && !response.writableEnded) response.write(line);
      });
    }
  }

  #check(): void {
    for (const one of [...this.#waiting]) {
      if (!one.holds()) continue;
      this.#waiting.splice(this.#waiting.indexOf(one), 1);
      one.resolve();
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://stub");
    const text = await readText(request);
    const body = text === "" ? undefined : (JSON.parse(text) as Raw);
    const route = `${request.method} ${url.pathname}`;
    await wait(this.delayMs());
    if (url.searchParams.get("watch") === "true") this.#watch(url, response);
    else if (/^GET \/api\/v1\/(pods|nodes)$/.test(route)) this.#list(url, response);
    else if (route.endsWith("/binding")) this.#bind(url, body, response);
    else if (/^POST .*\/events$/.test(route)) this.#event(body, response);
    else if (/^PATCH .*\/status$/.test(route)) this.#patch(url, request, body, response);
    else if (url.pathname.includes("/leases")) this.#lease(request, url, body, response);
    else if (/^GET .*\/pods\/[^/]+$/.test(route)) this.#getPod(url, response);
    else answer(response, 404, status(404, `nothing at ${route}`));
    this.#check();
  }

  #list(url: URL, response: ServerResponse): void {
    this.listCount++;
    const all = [...(url.pathname.endsWith("pods") ? this.#pods : this.#nodes).values()];
    const from = Number(url.searchParams.get("continue") ?? 0);
    const limit = Number(url.searchParams.get("limit") ?? 0) || all.length;
    const items = all.slice(from, from + limit);
    const next = from + limit < all.length ? { continue: String(from + limit) } : {};
    const metadata = { resourceVersion: String(this.#version), ...next };
    answer(response, 200, { kind: "List", apiVersion: "v1", metadata, items });
  }

  #watch(url: URL, response: ServerResponse): void {
    const resource = url.pathname.split("/").at(-1) ?? "";
    const from = Number(url.searchParams.get("resourceVersion") ?? 0);
    if (from < this.#oldest) {
      answer(response, 410, status(410, "too old resource version"));
      return;
    }
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const watch = { resource, response };
    this.#watches.add(watch);
    response.on("close", () => this.#watches.delete(watch));
    for (const one of this.#log) {
      if (one.resource === resource && one.version > from) {
        this.#line(response, one.type, one.object);
      }
    }
  }

  #bind(url: URL, body: Raw | undefined, response: ServerResponse): void {
    const { namespace, name } = podPath(url);
    const pod = this.#pods.get(`${namespace}/${name}`);
    if (!this.#isValid("binding", () => new Binding(body as never).validate(), body)) {
      answer(response, 422, status(422, this.invalid.at(-1) ?? ""));
      return;
    }
    const binding = body as Raw & { target: { name: string } };
    if (pod === undefined) {
      answer(response, 404, status(404, `pods "${name}" not found`));
      return;
    }
    const isOther = binding.metadata.uid !== pod.metadata.uid;
    if (isOther || this.#prng.chance(this.faults.conflict)) {
      answer(response, 409, status(409, "the object has been modified"));
      return;
    }
    if (this.#prng.chance(this.faults.lostRequest)) {
      response.destroy();
      return;
    }
    if (this.#prng.chance(this.faults.late)) {
      response.destroy();
      void wait(20 + this.#prng.nextInt(60)).then(() => this.#assign(pod, binding.target.name));
      return;
    }
    this.#assign(pod, binding.target.name);
    if (this.#prng.chance(this.faults.boundUnanswered)) response.destroy();
    answer(response, 201, { kind: "Status", apiVersion: "v1", status: "Success", code: 201 });
  }

  #assign(pod: Raw, node: string): void {
    const { uid } = pod.metadata;
    this.bindings.set(uid, [...(this.bindings.get(uid) ?? []), node]);
    const spec = { ...(pod.spec as object), nodeName: node };
    this.#put("pods", this.#pods, { ...pod, spec }, "MODIFIED");
  }

  #event(body: Raw | undefined, response: ServerResponse): void {
    if (!this.#isValid("event", () => new Event(body as never).validate(), body)) {
      answer(response, 422, status(422, this.invalid.at(-1) ?? ""));
      return;
    }
    this.events.push(body as Raw);
    answer(response, 201, body);
  }

  #patch(
    url: URL,
    request: IncomingMessage,
    body: Raw | undefined,
    response: ServerResponse,
  ): void {
    const { namespace, name } = podPath(url);
    const pod = this.#pods.get(`${namespace}/${name}`);
    if (pod === undefined) {
      answer(response, 404, status(404, `pods "${name}" not found`));
      return;
    }
    if (request.headers["content-type"] !== "application/strategic-merge-patch+json") {
      answer(response, 415, status(415, "unsupported media type"));
      return;
    }
    const patched = { ...pod, status: { ...(pod.status as object), ...(body?.status as object) } };
    if (!this.#isValid("status", () => new Pod(patched as never).validate(), body)) {
      answer(response, 422, status(422, this.invalid.at(-1) ?? ""));
      return;
    }
    answer(response, 200, this.#put("pods", this.#pods, patched, "MODIFIED"));
  }

  #lease(
    request: IncomingMessage,
    url: URL,
    body: Raw | undefined,
    response: ServerResponse,
  ): void {
    const name = body?.metadata.name ?? url.pathname.split("/").at(-1) ?? "";
    const lease = this.#leases.get(name);
    if (request.method === "GET") {
      const found = lease ?? status(404, `leases "${name}" not found`);
      answer(response, lease ? 200 : 404, found);
      return;
    }
    if (!this.#isValid("lease", () => new Lease(body as never).validate(), body)) {
      answer(response, 422, status(422, this.invalid.at(-1) ?? ""));
      return;
    }
    const isNew = request.method === "POST";
    const isStale = body?.metadata.resourceVersion !== lease?.metadata.resourceVersion;
    if (isNew ? lease !== undefined : isStale) {
      answer(response, 409, status(409, "the lease has been modified"));
      return;
    }
    const stored = this.#stamp(body as Raw);
    this.#leases.set(name, stored);
    answer(response, isNew ? 201 : 200, stored);
  }

  #getPod(url: URL, response: ServerResponse): void {
    const { namespace, name } = podPath(url);
    const pod = this.#pods.get(`${namespace}/${name}`);
    answer(response, pod ? 200 : 404, pod ?? status(404, `pods "${name}" not found`));
  }

  #isValid(kind: string, validate: () => void, body: unknown): boolean {
    if (!this.recorded.has(kind)) this.recorded.set(kind, body);
    try {
      validate();
      return true;
    } catch (error) {
      this.invalid.push(`${kind}: ${(error as Error).message}: ${JSON.stringify(body)}`);
      return false;
    }
  }
}

function podPath(url: URL): { namespace: string; name: string } {
  const [, , , , namespace = "", , name = ""] = url.pathname.split("/");
  return { namespace, name };
}

function status(code: number, message: string): object {
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, message };
}

function answer(response: ServerResponse, code: number, body: unknown): void {
  if (response.destroyed) return;
  response.writeHead(code, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
