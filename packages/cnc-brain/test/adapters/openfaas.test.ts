import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BURN_IMAGE, FunctionCatalogue } from "../../src/adapters/openfaas/catalogue.ts";
import { CoreSlots } from "../../src/adapters/openfaas/core-slots.ts";
import { LocalHost } from "../../src/adapters/openfaas/local-host.ts";
import { OpenFaasProvider } from "../../src/adapters/openfaas/provider.ts";
import { durationMs, scaleRuleOf } from "../../src/adapters/openfaas/wire.ts";
import { realTime } from "./kube-lab.ts";
import recorded from "./wire/openfaas.json" with { type: "json" };

const authorization = `Basic ${Buffer.from("admin:s3cret").toString("base64")}`;

describe("the OpenFaaS provider", () => {
  let provider: OpenFaasProvider;
  let address: string;

  beforeEach(async () => {
    const host = new LocalHost({
      catalogue: new FunctionCatalogue({}, true),
      time: realTime,
      namespaces: ["openfaas-fn", "staging"],
      cores: Number.POSITIVE_INFINITY,
      replicasMax: 20,
    });
    provider = new OpenFaasProvider(
      {
        host: "127.0.0.1",
        port: 0,
        credentials: { user: "admin", password: "s3cret" },
        version: { release: "0.1.0", sha: "abc" },
        role: "provider",
      },
      host,
    );
    address = await provider.start();
  });

  afterEach(() => provider.stop());

  async function call(method: string, path: string, body?: unknown, headers = {}) {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(address + path, {
      method,
      headers: { authorization, ...headers },
      ...(text !== undefined && { body: text }),
    });
    return { status: response.status, text: await response.text(), headers: response.headers };
  }

  const json = async (path: string) => JSON.parse((await call("GET", path)).text) as unknown;

  it("deploys, lists, scales and removes by OpenFaaS's bodies and codes", async () => {
    for (const { method, path, request, status, answer } of recorded) {
      const got = await call(method, path, request);
      expect([method, path, got.status]).toEqual([method, path, status]);
      if (answer !== undefined) expect(JSON.parse(got.text)).toMatchObject(answer);
    }
  });

  it("runs a command once a request, body in and answer out", async () => {
    const shout = { service: "shout", image: "alpine", envProcess: "tr a-z A-Z" };
    expect((await call("POST", "/system/functions", shout)).status).toBe(202);
    const { status, text } = await call("POST", "/function/shout", "hello");
    expect([status, text]).toEqual([200, "HELLO"]);
    const failing = { service: "fails", image: "alpine", envProcess: "false" };
    await call("POST", "/system/functions", failing);
    expect((await call("POST", "/function/fails", "x")).status).toBe(500);
    expect(await json("/system/function/shout")).toMatchObject({ invocationCount: 1 });
    const metrics = (await call("GET", "/metrics")).text;
    expect(metrics).toContain(
      'gateway_function_invocation_total{function_name="shout.openfaas-fn",code="200"} 1',
    );
  });

  it("starts a process for the first request to a function that stands at zero", async () => {
    const labels = { "com.openfaas.scale.zero": "true" };
    await call("POST", "/system/functions", { service: "burn", image: BURN_IMAGE, labels });
    expect(await json("/system/function/burn")).toMatchObject({ replicas: 0 });
    const work = { workMs: 12, cpuShare: 0.5 };
    const { status, text } = await call("POST", "/function/burn.openfaas-fn", work);
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ rounds: expect.any(Number) });
    const standing = await json("/system/function/burn");
    expect(standing).toMatchObject({ replicas: 1, availableReplicas: 1, invocationCount: 1 });
    expect(
      (standing as { usage: { totalMemoryBytes: number } }).usage.totalMemoryBytes,
    ).toBeGreaterThan(1e6);
    expect((await call("POST", "/system/scale-function/burn", { replicas: 0 })).status).toBe(202);
    expect(await json("/system/function/burn")).toMatchObject({ replicas: 0 });
  });

  it("calls back with the answer of an asynchronous invocation", async () => {
    await call("POST", "/system/functions", { service: "echo", image: "x", envProcess: "cat" });
    const heard = new Promise<{ body: string; callId: string | undefined }>((resolve) => {
      const server = createServer(async (request, response) => {
        let body = "";
        for await (const chunk of request) body += String(chunk);
        response.end();
        server.close();
        resolve({ body, callId: request.headers["x-call-id"] as string });
      });
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo;
        const headers = { "x-callback-url": `http://127.0.0.1:${port}/` };
        void call("POST", "/async-function/echo", "later", headers);
      });
    });
    expect(await heard).toEqual({ body: "later", callId: "abc-0" });
  });

  it("steps by alert as OpenFaaS does, and goes back when it is resolved", async () => {
    await call("POST", "/system/functions", { service: "echo", image: "x", envProcess: "cat" });
    const alert = (status: string) => ({
      status,
      alerts: [
        {
          status,
          labels: { alertname: "APIHighInvocationRate", function_name: "echo.openfaas-fn" },
        },
      ],
    });
    await call("POST", "/system/alert", alert("firing"));
    expect(await json("/system/function/echo")).toMatchObject({ replicas: 2 });
    await call("POST", "/system/alert", alert("resolved"));
    expect(await json("/system/function/echo")).toMatchObject({ replicas: 1 });
  });

  it("refuses strangers, unknown programs and malformed bodies, and goes on", async () => {
    const stranger = await fetch(`${address}/system/functions`);
    expect([stranger.status, stranger.headers.get("www-authenticate")]).toEqual([
      401,
      'Basic realm="Restricted"',
    ]);
    const unknown = await call("POST", "/system/functions", { service: "x", image: "nginx" });
    expect(unknown.status).toBe(400);
    expect(unknown.text).toContain("stands for no program here");
    await fc.assert(
      fc.asyncProperty(
        fc.json(),
        fc.constantFrom("POST", "PUT", "DELETE"),
        async (body, method) => {
          const { status } = await call(method, "/system/functions", body);
          expect(status).toBe(400);
        },
      ),
      { numRuns: 40, seed: 6 },
    );
    expect((await call("GET", "/healthz")).text).toBe("OK");
  });
});

describe("scaling labels", () => {
  it("have OpenFaaS's defaults and Go's durations", () => {
    expect(scaleRuleOf({})).toEqual({ min: 1, max: 5, factor: 10, zeroAfterMs: undefined });
    const labels = {
      "com.openfaas.scale.zero": "true",
      "com.openfaas.scale.zero-duration": "1m30s",
      "com.openfaas.scale.max": "12",
    };
    expect(scaleRuleOf(labels)).toEqual({ min: 0, max: 12, factor: 10, zeroAfterMs: 90_000 });
    expect(["500ms", "1.5h", "10", "m", "5 s"].map(durationMs)).toEqual([
      500,
      5_400_000,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("cores of a machine", () => {
  it("are given in the order of arrival, whoever would fit sooner", async () => {
    const slots = new CoreSlots(4);
    const order: string[] = [];
    const run = (name: string, cores: number) => slots.acquire(cores).then(() => order.push(name));
    await run("a", 3);
    void run("b", 2);
    void run("c", 1);
    await Promise.resolve();
    expect(order).toEqual(["a"]);
    slots.release(3);
    await new Promise((done) => setImmediate(done));
    expect(order).toEqual(["a", "b", "c"]);
    expect(slots.used).toBe(3);
  });
});
