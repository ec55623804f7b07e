import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createPrng } from "@fmlab/sim";
import fc from "fast-check";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { afterEach, describe, expect, it } from "vitest";
import { KubeCluster } from "../../src/adapters/kubernetes/kube-cluster.ts";
import { readNode, readPod } from "../../src/adapters/kubernetes/objects.ts";
import { FunctionCatalogue } from "../../src/adapters/openfaas/catalogue.ts";
import { LocalHost } from "../../src/adapters/openfaas/local-host.ts";
import { OpenFaasProvider } from "../../src/adapters/openfaas/provider.ts";
import { kubernetesSnapshot } from "../../src/adapters/perceive/kubernetes-snapshot.ts";
import { openFaasSnapshot } from "../../src/adapters/perceive/openfaas-snapshot.ts";
import {
  KUBERNETES_QUERIES,
  prometheusSnapshot,
} from "../../src/adapters/perceive/prometheus-snapshot.ts";
import { parsePrometheusText, sumOf } from "../../src/adapters/perceive/prometheus-text.ts";
import { fixedRttNetwork } from "../../src/network/network.ts";
import { applySnapshot } from "../../src/perception/snapshot.ts";
import { createScheduler } from "../../src/scheduling/registry.ts";
import { ClusterView } from "../../src/simulator/cluster-view.ts";
import { PLAIN_FUNCTION, PLAIN_NODE } from "../../src/simulator/specs.ts";
import { rawNode, rawPod, realTime } from "./kube-lab.ts";

describe("Prometheus' text format", () => {
  it("is read as the documentation's example says", () => {
    const text = [
      "# HELP http_requests_total The total number of HTTP requests.",
      "# TYPE http_requests_total counter",
      'http_requests_total{method="post",code="200"} 1027 1395066363000',
      'http_requests_total{method="post",code="400"}    3 1395066363000',
      "# Escaping in label values:",
      'msdos_file_access_time_seconds{path="C:\\\\DIR\\\\FILE.TXT",' +
        'error="Cannot find file:\\n\\"FILE.TXT\\""} 1.458255915e9',
      "metric_without_timestamp_and_labels 12.47",
      'something_weird{problem="division by zero"} +Inf -3982045',
      'http_request_duration_seconds_bucket{le="+Inf"} 144320',
    ].join("\n");
    const { samples, malformed } = parsePrometheusText(text);
    expect(malformed).toBe(0);
    expect(samples[2]?.labels).toEqual({
      path: "C:\\DIR\\FILE.TXT",
      error: 'Cannot find file:\n"FILE.TXT"',
    });
    expect(samples[4]).toMatchObject({ value: Number.POSITIVE_INFINITY, atMs: -3982045 });
    expect(sumOf(samples, "http_requests_total", { method: "post" })).toBe(1030);
  });

  it("gives back whatever prom-client wrote", async () => {
    const values = fc.double({ noNaN: true, noDefaultInfinity: true });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.string(), values), { maxLength: 5 }), async (rows) => {
        const registry = new Registry();
        const gauge = new Gauge({ name: "g", help: "h", labelNames: ["l"], registers: [registry] });
        new Counter({ name: "c", help: "multi\nline", registers: [registry] }).inc(3);
        new Histogram({ name: "h", help: "h", buckets: [1, 2], registers: [registry] }).observe(
          1.5,
        );
        const last = new Map(rows);
        for (const [label, value] of last) gauge.set({ l: label }, value);
        const { samples, malformed } = parsePrometheusText(await registry.metrics());
        expect(malformed).toBe(0);
        const read = new Map(
          samples
            .filter(({ name }) => name === "g")
            .map(({ labels, value }) => [labels.l, value + 0]),
        );
        for (const [label, value] of last) expect(read.get(label)).toBe(value + 0);
        expect(sumOf(samples, "h_bucket", { le: "2" })).toBe(1);
      }),
      { numRuns: 60, seed: 4 },
    );
  });

  it("leaves out lines that are none and never throws", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (lines) => {
        const { samples } = parsePrometheusText([...lines, "", "fine 1"].join("\n"));
        expect(samples.at(-1)).toMatchObject({ name: "fine", value: 1 });
      }),
      { numRuns: 200, seed: 5 },
    );
    expect(parsePrometheusText('a{b="c} 1\nb{c=d} 2\nc 1 2 3\nd x').malformed).toBe(4);
  });
});

describe("snapshots of real clusters", () => {
  const servers: { close: () => unknown }[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
  });

  it("come from Prometheus' API as one query a column", async () => {
    const answers: Record<string, [string, string][]> = {
      isUp: [
        ["n1", "1"],
        ["n2", "0"],
      ],
      coresRequested: [["n1", "3.5"]],
      memoryUsedBytes: [["n1", "2e9"]],
      running: [["n1", "7"]],
    };
    const server: Server = createServer((request, response) => {
      const query = new URL(request.url ?? "", "http://x").searchParams.get("query") ?? "";
      const column = Object.entries(KUBERNETES_QUERIES).find(([, text]) => text === query)?.[0];
      const result = (answers[column ?? ""] ?? []).map(([node, value]) => ({
        metric: { node },
        value: [1_700_000_000.5, value],
      }));
      response.end(JSON.stringify({ status: "success", data: { resultType: "vector", result } }));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    servers.push(server);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const options = { url, timeoutMs: 5000, queries: KUBERNETES_QUERIES, nodeLabel: "node" };
    const snapshot = await prometheusSnapshot(options, 1_700_000_002_000);
    expect(snapshot.takenAtMs).toBe(1_700_000_000_500);
    expect(snapshot.nodes).toMatchObject([
      { name: "n1", isUp: true, running: 7, coresRequested: 3.5, memoryUsedMb: 2000 },
      { name: "n2", isUp: false, running: 0 },
    ]);
  });

  it("refuse a Prometheus that answers with an error", async () => {
    const server = createServer((_, response) => {
      response.statusCode = 400;
      response.end(
        JSON.stringify({ status: "error", errorType: "bad_data", error: "parse error" }),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    servers.push(server);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const options = { url, timeoutMs: 5000, queries: KUBERNETES_QUERIES, nodeLabel: "node" };
    await expect(prometheusSnapshot(options, 0)).rejects.toThrow(/parse error/);
  });

  it("come from the Kubernetes API with what is being bound", () => {
    const cluster = new KubeCluster({ policies: [], tenants: [], zoneRttMs: {}, defaultRttMs: 1 });
    const node = readNode(rawNode("n1", 8, { status: { images: [{ names: ["shop/cart:1"] }] } }));
    const pod = readPod(rawPod("p", "1500m"));
    if (!("value" in node) || !("value" in pod)) throw new Error("unreadable");
    cluster.setNode(node.value);
    cluster.place(pod.value, "n1");
    cluster.place(pod.value, "n1");
    const snapshot = kubernetesSnapshot(cluster, 5);
    expect(snapshot.nodes).toMatchObject([
      { name: "n1", isUp: true, running: 1, coresRequested: 1.5, images: ["shop/cart"] },
    ]);
    cluster.remove("uid-p");
    expect(kubernetesSnapshot(cluster, 6).nodes[0]).toMatchObject({
      running: 0,
      coresRequested: 0,
    });
  });

  it("come from OpenFaaS, and any scheduler decides on them", async () => {
    const host = new LocalHost({
      catalogue: new FunctionCatalogue({}, true),
      time: realTime,
      namespaces: ["openfaas-fn"],
      cores: 4,
      replicasMax: 4,
    });
    const provider = new OpenFaasProvider(
      {
        host: "127.0.0.1",
        port: 0,
        credentials: undefined,
        version: { release: "0", sha: "0" },
        role: "gateway",
      },
      host,
    );
    const url = await provider.start();
    servers.push({ close: () => provider.stop() });
    const labels = { "com.openfaas.scale.min": "2" };
    await host.deploy({ service: "echo", image: "x", envProcess: "cat", labels });
    const sites = [
      { node: "here", url },
      { node: "away", url: "http://127.0.0.1:1" },
    ];
    const snapshot = await openFaasSnapshot(sites, 100);
    expect(snapshot.nodes).toMatchObject([
      { name: "here", isUp: true, running: 0, warm: { echo: 2 }, images: ["echo"] },
      { name: "away", isUp: false },
    ]);
    const nodes = ["away", "here"].map((name) => ({ ...PLAIN_NODE, name }));
    const functions = [{ ...PLAIN_FUNCTION, name: "echo" }];
    const view = new ClusterView(nodes, functions, fixedRttNetwork(["s"], 1));
    expect(applySnapshot(view, snapshot)).toEqual([]);
    expect([...view.up]).toEqual([0, 1]);
    expect(view.warmCount(1, 0)).toBe(2);
    const candidates = { mask: Uint8Array.of(0, 1), nodes: Int32Array.of(1) };
    const request = { id: 0, functionIndex: 0, site: 0, arrivalMs: 0, attempt: 0, candidates };
    expect(createScheduler("latency-greedy", createPrng(1)).place(request, view)).toBe(1);
  });
});
