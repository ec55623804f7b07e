import { createPrng } from "@fmlab/sim";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BrainMetrics } from "../../src/adapters/brain-metrics.ts";
import { ClusterFollower } from "../../src/adapters/kubernetes/cluster-follower.ts";
import { whyInfeasible } from "../../src/adapters/kubernetes/feasibility.ts";
import { apiFailed, type KubeApi } from "../../src/adapters/kubernetes/kube-api.ts";
import { KubeCluster } from "../../src/adapters/kubernetes/kube-cluster.ts";
import { type PodObject, readNode, readPod } from "../../src/adapters/kubernetes/objects.ts";
import { hostPortsOf, requestsOf } from "../../src/adapters/kubernetes/pod-facts.ts";
import { parseQuantity } from "../../src/adapters/kubernetes/quantity.ts";
import type { Timekeeper } from "../../src/adapters/timekeeper.ts";
import { rawNode, rawPod } from "./kube-lab.ts";

function pod(spec: Record<string, unknown> = {}, name = "p"): PodObject {
  const read = readPod(rawPod(name, "500m", spec));
  if (!("value" in read)) throw new Error(read.problem);
  return read.value;
}

function node(more: Record<string, unknown> = {}, cores = 4) {
  const read = readNode(rawNode("n", cores, more));
  if (!("value" in read)) throw new Error(read.problem);
  return read.value;
}

describe("quantities", () => {
  it.each([
    ["1500m", 1.5],
    ["2Gi", 2 ** 31],
    ["1.5Gi", 1.5 * 2 ** 30],
    ["128974848", 128974848],
    ["129e6", 129e6],
    ["129M", 129e6],
    ["123Mi", 123 * 2 ** 20],
    ["100n", 1e-7],
    [".5", 0.5],
  ])("reads %s", (text, value) => {
    expect(parseQuantity(text)).toBeCloseTo(value, 9);
  });

  it.each(["", "Gi", "1 Gi", "1KB", "1e", "--1", "0x10", "1mi"])("refuses %j", (text) => {
    expect(parseQuantity(text)).toBeNaN();
  });
});

describe("a pod's requests", () => {
  const container = (cpu: string, more: object = {}) => ({
    name: "c",
    resources: { requests: { cpu } },
    ...more,
  });

  it("are the sum of containers, or the largest init container where that is more", () => {
    const containers = [container("1"), container("500m")];
    expect(requestsOf(pod({ containers })).cpu).toBe(1.5);
    const initContainers = [container("4"), container("2")];
    expect(requestsOf(pod({ containers, initContainers })).cpu).toBe(4);
  });

  it("count sidecars with containers and with the init containers after them", () => {
    const containers = [container("1")];
    const sidecar = container("500m", { restartPolicy: "Always" });
    expect(requestsOf(pod({ containers, initContainers: [sidecar] })).cpu).toBe(1.5);
    const late = { containers, initContainers: [sidecar, container("2")] };
    expect(requestsOf(pod(late)).cpu).toBe(2.5);
    const early = { containers, initContainers: [container("2"), sidecar] };
    expect(requestsOf(pod(early)).cpu).toBe(2);
  });

  it("take the pod's own requests and the overhead", () => {
    const spec = { resources: { requests: { cpu: "3" } }, overhead: { cpu: "250m" } };
    expect(requestsOf(pod(spec)).cpu).toBe(3.25);
  });
});

describe("feasibility", () => {
  const empty = { requests: {}, hostPorts: new Set<string>(), pods: 0 };
  const why = (spec: object, more: object = {}, use: object = {}) => {
    const one = pod(spec as Record<string, unknown>);
    const needs = { pod: one, requests: requestsOf(one), hostPorts: hostPortsOf(one) };
    return whyInfeasible(needs, node(more as Record<string, unknown>), { ...empty, ...use });
  };
  const affinity = (...matchExpressions: object[]) => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions }],
        },
      },
    },
  });
  const taint = { key: "gpu", value: "a", effect: "NoSchedule" };
  const zone = "topology.kubernetes.io/zone";

  it.each([
    ["fits", {}, {}, {}, undefined],
    ["has no room", {}, {}, { requests: { cpu: 3.6 } }, "Insufficient cpu"],
    ["is full of pods", {}, {}, { pods: 110 }, "Too many pods"],
    ["is cordoned", {}, { spec: { unschedulable: true } }, {}, "node(s) were unschedulable"],
    ["is not ready", {}, { status: { conditions: [] } }, {}, "node(s) were not ready"],
    ["is tainted", {}, { spec: { taints: [taint] } }, {}, "untolerated taint(s) {gpu: a}"],
    [
      "is tolerated",
      { tolerations: [{ key: "gpu", value: "a" }] },
      { spec: { taints: [taint] } },
      {},
    ],
    [
      "has another value",
      { tolerations: [{ key: "gpu", value: "b" }] },
      { spec: { taints: [taint] } },
      {},
      "taint",
    ],
    ["prefers none", {}, { spec: { taints: [{ ...taint, effect: "PreferNoSchedule" }] } }, {}],
    ["is selected", { nodeSelector: { [zone]: "zone-a" } }, {}, {}],
    ["is not selected", { nodeSelector: { [zone]: "zone-b" } }, {}, {}, "affinity/selector"],
    ["is in", affinity({ key: zone, operator: "In", values: ["zone-a", "x"] }), {}, {}],
    [
      "is not in",
      affinity({ key: zone, operator: "NotIn", values: ["zone-a"] }),
      {},
      {},
      "affinity",
    ],
    ["lacks a key", affinity({ key: "x", operator: "Exists" }), {}, {}, "affinity"],
    ["lacks it rightly", affinity({ key: "x", operator: "DoesNotExist" }), {}, {}],
    ["matches no empty term", affinity(), {}, {}, "affinity"],
  ] as const)("a node that %s", (_, spec, more, use, expected?: string) => {
    const told = why(spec, more, use);
    if (expected === undefined) expect(told).toBeUndefined();
    else expect(told).toContain(expected);
  });

  it("keeps host ports apart", () => {
    const containers = [{ name: "c", ports: [{ containerPort: 80, hostPort: 8080 }] }];
    expect(why({ containers }, {}, { hostPorts: new Set(["TCP/8080"]) })).toContain("free ports");
    expect(why({ containers }, {}, { hostPorts: new Set(["UDP/8080"]) })).toBeUndefined();
  });
});

describe("whatever the API sends", () => {
  /** Follows an API that says exactly what it is told to, then nothing. */
  async function follow(items: unknown[], lines: string[]) {
    const metrics = new BrainMetrics();
    const options = { policies: [], tenants: [], zoneRttMs: {}, defaultRttMs: 1 };
    const cluster = new KubeCluster(options);
    const stop = new AbortController();
    let nodeWatches = 0;
    const api = {
      list: async () => ({ items: [...items, rawNode("list")], resourceVersion: "5" }),
      watch: async (resource: string, _: string, onLine: (line: string) => void) => {
        if (resource === "pods") return;
        if (nodeWatches++ === 0) for (const line of lines) onLine(line);
        else if (nodeWatches === 2) {
          onLine(JSON.stringify({ type: "ADDED", object: rawNode("last") }));
        } else {
          stop.abort();
          throw apiFailed("watch", undefined, "stopped");
        }
      },
    } as unknown as KubeApi;
    // The watchdog waits for the end of the watch; back-offs take no time.
    const time: Timekeeper = {
      nowMs: () => 0,
      wallMs: () => 0,
      sleep: (ms, signal) =>
        new Promise((done) => {
          if (ms < 1e9) setImmediate(done);
          else signal?.addEventListener("abort", () => done());
        }),
    };
    const watch = { idleMs: 1e9, retryMs: 1, retryMaxMs: 2 };
    const parts = { api, cluster, metrics, time, prng: createPrng(1) };
    await new ClusterFollower(watch, parts).run(stop.signal);
    return cluster;
  }

  const junk = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .record({
        type: fc.constantFrom("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR", "X"),
        object: fc.jsonValue(),
      })
      .map((line) => JSON.stringify(line)),
  );

  it("never ends the loop: what is no object is left out, what is one is taken", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.jsonValue()), fc.array(junk), async (items, lines) => {
        const cluster = await follow(items, lines);
        expect(cluster.nodeNames()).toContain("last");
        expect(cluster.nodeNames()).toContain("list");
      }),
      { numRuns: 150, seed: 20261124 },
    );
  });

  it("reads or refuses any value, and never throws", () => {
    const near = fc.oneof(fc.jsonValue(), fc.constant(rawPod("p")), fc.constant(rawNode("n")));
    const mixed = fc.tuple(near, near, fc.constantFrom("spec", "metadata", "status", "kind"));
    fc.assert(
      fc.property(mixed, ([base, other, key]) => {
        const value = typeof base === "object" && base !== null ? { ...base, [key]: other } : base;
        for (const read of [readPod(value), readNode(value)]) {
          expect("value" in read || read.problem.length > 0).toBe(true);
        }
      }),
      { numRuns: 500, seed: 20261124 },
    );
  });
});
