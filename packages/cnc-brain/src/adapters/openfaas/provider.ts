import { timingSafeEqual } from "node:crypto";
import { openFaasReplicas } from "../../autoscale/openfaas.ts";
import {
  type HttpAnswer,
  HttpRefusal,
  type HttpRequest,
  HttpService,
  jsonBody,
} from "../http-service.ts";
import type { FunctionService } from "./function-service.ts";
import type { LocalHost } from "./local-host.ts";
import { deleteFunction, functionDeployment, prometheusAlert, scaleService } from "./wire.ts";

const BODY_BYTES_MAX = 32 * 2 ** 20;

/** How a provider is reached. */
export interface ProviderOptions {
  host: string;
  port: number;
  /** Asked of everything under /system; undefined: nobody is asked. */
  credentials: { user: string; password: string } | undefined;
  version: { release: string; sha: string };
  /** `gateway`: /system/info is wrapped as faas-cli expects of a gateway. */
  role: "provider" | "gateway";
}

/**
 * OpenFaaS's provider API over functions that run as processes of this machine, with the gateway's
 * routes for invocation, alerts and metrics, so that faas-cli works against it: without the
 * community edition's limits on functions, replicas and scaling to zero.
 *
 * @see openfaas/faas-provider serve.go for the routes
 */
export class OpenFaasProvider {
  readonly #options: ProviderOptions;
  readonly #host: LocalHost;
  readonly #service: HttpService;
  #calls = 0;

  constructor(options: ProviderOptions, host: LocalHost) {
    this.#options = options;
    this.#host = host;
    this.#service = new HttpService({
      host: options.host,
      port: options.port,
      bodyBytesMax: BODY_BYTES_MAX,
      guard: ({ path, headers }) =>
        path.startsWith("/system/") && !this.#isAllowed(headers.authorization)
          ? 'Basic realm="Restricted"'
          : undefined,
    });
    this.#addFunctions();
    this.#addSystem();
    this.#addInvocation();
  }

  /** Begins to listen. */
  start(): Promise<string> {
    return this.#service.start();
  }

  /** Ends all connections and functions. */
  async stop(): Promise<void> {
    await this.#service.stop();
    await this.#host.stop();
  }

  #isAllowed(authorization: string | undefined): boolean {
    const { credentials } = this.#options;
    if (credentials === undefined) return true;
    const text = `${credentials.user}:${credentials.password}`;
    const wanted = Buffer.from(`Basic ${Buffer.from(text).toString("base64")}`);
    const given = Buffer.from(authorization ?? "");
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }

  #addFunctions(): void {
    const host = this.#host;
    this.#service
      .on("GET", "/system/functions", ({ query }) => ({
        status: 200,
        body: host.list(query.get("namespace") ?? undefined).map((one) => one.status()),
      }))
      .on("POST", "/system/functions", async (request) => {
        await host.deploy(jsonBody(request, functionDeployment));
        return { status: 202 };
      })
      .on("PUT", "/system/functions", async (request) => {
        const deployment = jsonBody(request, functionDeployment);
        this.#need(deployment.service, deployment.namespace);
        await host.deploy(deployment);
        return { status: 200 };
      })
      .on("DELETE", "/system/functions", async (request) => {
        const { functionName, namespace } = jsonBody(request, deleteFunction);
        const isGone = await host.remove(functionName, namespace ?? request.query.get("namespace"));
        if (!isGone) throw new HttpRefusal(404, `function ${functionName} not found`);
        return { status: 200 };
      })
      .on("GET", "/system/function/:name", ({ params, query }) => ({
        status: 200,
        body: this.#need(params.name ?? "", query.get("namespace")).status(),
      }))
      .on("POST", "/system/scale-function/:name", (request) => {
        const { replicas, namespace } = jsonBody(request, scaleService);
        const { params, query } = request;
        const service = this.#need(params.name ?? "", namespace ?? query.get("namespace"));
        host.scale(service, replicas);
        return { status: 202 };
      });
  }

  #addSystem(): void {
    const host = this.#host;
    const { version, role } = this.#options;
    this.#service
      .on("GET", "/system/info", () => {
        const info = { provider: "fmlab-cnc-brain", version, orchestration: "processes" };
        const wrapped = { provider: info, version, arch: process.arch };
        return { status: 200, body: role === "gateway" ? wrapped : info };
      })
      .on("GET", "/system/namespaces", () => ({ status: 200, body: [...host.options.namespaces] }))
      .on("GET", "/system/namespace/:name", ({ params }) => {
        const { name = "" } = params;
        const isThere = host.options.namespaces.includes(name);
        if (!isThere) throw new HttpRefusal(404, `namespace ${name} not found`);
        return { status: 200, body: { name, annotations: {}, labels: {} } };
      })
      .on("GET", "/system/secrets", () => ({ status: 200, body: [] }))
      .on("GET", "/system/logs", ({ query }) => this.#logs(query))
      .on("POST", "/system/alert", (request) => this.#alert(request))
      .on("GET", "/system/telemetry", () => ({ status: 200, body: {} }))
      .on("GET", "/healthz", () => ({ status: 200, body: "OK" }))
      .on("GET", "/metrics", async () => ({
        status: 200,
        headers: { "content-type": host.metrics.registry.contentType },
        body: await host.metrics.registry.metrics(),
      }));
  }

  #addInvocation(): void {
    this.#service
      .on("*", "/function/:name/*rest", (request) => this.#invoke(request))
      .on("POST", "/async-function/:name/*rest", (request) => this.#invokeLater(request));
  }

  async #invoke(request: HttpRequest): Promise<HttpAnswer> {
    const service = this.#serviceOfPath(request.params.name ?? "");
    const { method, headers, body, query, params } = request;
    const search = query.size > 0 ? `?${query.toString()}` : "";
    const path = `${params.rest ?? "/"}${search}`;
    const answer = await this.#host.invoke(service, { method, path, headers, body });
    const own = { ...answer.headers, "x-cold-start": String(answer.isCold) };
    return { status: answer.status, headers: own, body: answer.body };
  }

  /** Accepts at once, invokes, and sends the answer to X-Callback-Url, if there is one. */
  #invokeLater(request: HttpRequest): HttpAnswer {
    this.#serviceOfPath(request.params.name ?? "");
    const callId = `${this.#options.version.sha}-${this.#calls++}`;
    const callback = request.headers["x-callback-url"];
    void this.#invoke(request)
      .then(async (answer) => {
        if (typeof callback !== "string" || !URL.canParse(callback)) return;
        const headers = { "x-call-id": callId, "x-function-status": String(answer.status) };
        const body = Buffer.isBuffer(answer.body) ? new Uint8Array(answer.body) : null;
        await fetch(callback, { method: "POST", headers, body });
      })
      // Nobody waits: neither for a function that failed nor for a callback that is not there.
      .catch(() => {});
    return { status: 202, headers: { "x-call-id": callId } };
  }

  #logs(query: URLSearchParams): HttpAnswer {
    const service = this.#need(query.get("name") ?? "", query.get("namespace"));
    const tail = Number(query.get("tail") ?? 0);
    const since = query.get("since") ?? "";
    const lines = service.logLines.filter(({ timestamp }) => timestamp >= since);
    const shown = tail > 0 ? lines.slice(-tail) : lines;
    return {
      status: 200,
      headers: { "content-type": "application/x-ndjson" },
      body: shown.map((line) => `${JSON.stringify(line)}\n`).join(""),
    };
  }

  /** A firing alert adds a step of replicas, a resolved one goes back to the least. */
  #alert(request: HttpRequest): HttpAnswer {
    const { alerts } = jsonBody(request, prometheusAlert);
    for (const { status, labels } of alerts) {
      const service = this.#find(labels.function_name);
      if (service === undefined) continue;
      const isFiring = status === "firing";
      this.#host.scale(service, openFaasReplicas(service.desiredReplicas, isFiring, service.scale));
    }
    return { status: 200 };
  }

  /** `name` or `name.namespace`. */
  #find(name: string): FunctionService | undefined {
    const whole = this.#host.find(name);
    const dot = name.lastIndexOf(".");
    if (whole !== undefined || dot < 0) return whole;
    return this.#host.find(name.slice(0, dot), name.slice(dot + 1));
  }

  #serviceOfPath(name: string): FunctionService {
    const service = this.#find(name);
    if (service === undefined) throw new HttpRefusal(404, `function ${name} not found`);
    return service;
  }

  #need(name: string, namespace: string | null | undefined): FunctionService {
    const service = this.#host.find(name, namespace);
    if (service === undefined) throw new HttpRefusal(404, `function ${name} not found`);
    return service;
  }
}
