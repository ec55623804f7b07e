import { createPrng } from "@fmlab/sim";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { verifyAudit } from "../../src/governance/audit-log.ts";
import { clientApi, makeScheduler, mortal, rawNode, rawPod } from "./kube-lab.ts";
import { KubeStub, NO_FAULTS } from "./kube-stub.ts";
import recorded from "./wire/kubernetes.json" with { type: "json" };

describe("the Kubernetes scheduler", () => {
  let stub: KubeStub;
  let server: string;
  const stops: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    stub = new KubeStub(createPrng(11, "stub"));
    server = await stub.start();
  });

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
    await stub.stop();
  });

  async function launch(options: Parameters<typeof makeScheduler>[1] = {}) {
    const api = await clientApi(server);
    const made = makeScheduler(api, options);
    const stop = new AbortController();
    const running = made.scheduler.run(stop.signal);
    const end = async () => {
      stop.abort();
      await running;
      api.close();
    };
    stops.push(end);
    return { ...made, end };
  }

  const isAllBound = (count: number) => () => stub.bindings.size >= count;

  it("binds pending pods that name it, by bodies that Kubernetes' schemas accept", async () => {
    for (let i = 0; i < 4; i++) stub.addNode(rawNode(`node-${i}`));
    for (let i = 0; i < 40; i++) stub.addPod(rawPod(`pod-${i}`));
    stub.addPod(rawPod("huge", "100"));
    stub.addPod(rawPod("other", "100m", { schedulerName: "default-scheduler" }));
    const { journal, end } = await launch();
    await stub.until(() => stub.bindings.size >= 40 && stub.recorded.has("status"));
    await end();
    expect(stub.invalid).toEqual([]);
    expect(stub.doubleBindings).toBe(0);
    expect(stub.bindings.has("uid-other")).toBe(false);
    // Forty pods of a tenth of a core on four equal nodes, by load.
    const load = new Map<string, number>();
    for (const [node = ""] of stub.bindings.values()) load.set(node, (load.get(node) ?? 0) + 1);
    expect([...load.values()]).toEqual([10, 10, 10, 10]);
    expect(stub.events.filter(({ reason }) => reason === "Scheduled")).toHaveLength(40);
    for (const [kind, body] of Object.entries(recorded)) {
      expect(stub.recorded.get(kind)).toMatchObject(body);
    }
    const { spec } = stub.recorded.get("lease") as { spec: { renewTime: string } };
    expect(spec.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    verifyAudit(journal.entries, journal.head);
    expect(journal.entries.filter(({ kind }) => kind === "placed")).toHaveLength(40);
  });

  it("never overfills a node while answers are on their way", async () => {
    stub.delayMs = () => 15;
    stub.addNode(rawNode("small", 1));
    for (let i = 0; i < 12; i++) stub.addPod(rawPod(`pod-${i}`, "250m"));
    const { end } = await launch({ policy: "kubernetes" });
    await stub.until(() => stub.events.filter(({ reason }) => reason !== "Scheduled").length >= 8);
    expect(stub.bindings.size).toBe(4);
    const told = stub.events.find(({ reason }) => reason === "FailedScheduling")?.message;
    expect(told).toBe("0/1 nodes are available: 1 Insufficient cpu.");
    // One ends: its place goes to one of those that wait.
    const [first = ""] = stub.bindings.keys();
    stub.removePod("shop", first.replace("uid-", ""));
    await stub.until(isAllBound(5));
    await end();
    expect(stub.invalid).toEqual([]);
  });

  it("survives faults of every kind without binding any pod twice", async () => {
    const prng = createPrng(3, "faults");
    stub.delayMs = () => prng.nextInt(6);
    stub.faults = {
      conflict: 0.15,
      boundUnanswered: 0.1,
      lostRequest: 0.1,
      late: 0.1,
      duplicate: 0.5,
      garbage: 0.02,
    };
    for (let i = 0; i < 10; i++) stub.addNode(rawNode(`node-${i}`, 8));
    await launch();
    for (let wave = 1; wave <= 4; wave++) {
      for (let i = 0; i < 20; i++) stub.addPod(rawPod(`pod-${wave}-${i}`));
      if (wave % 2 === 0) stub.dropWatches();
      else stub.compact();
      stub.sendLine("<html>502 Bad Gateway</html>");
      await stub.until(isAllBound(20 * wave));
    }
    stub.faults = NO_FAULTS;
    expect(stub.doubleBindings).toBe(0);
    expect(stub.invalid).toEqual([]);
  });

  it("loses nothing when its process dies: the next one waits for the lease", async () => {
    stub.delayMs = () => 3;
    for (let i = 0; i < 3; i++) stub.addNode(rawNode(`node-${i}`, 8));
    for (let i = 0; i < 60; i++) stub.addPod(rawPod(`a-${i}`));
    const { api, die } = mortal(await clientApi(server));
    const dead = new AbortController();
    void makeScheduler(api, { identity: "first" }).scheduler.run(dead.signal);
    await stub.until(isAllBound(20));
    die();
    await launch({ identity: "second" });
    await stub.until(isAllBound(60));
    dead.abort();
    expect(stub.doubleBindings).toBe(0);
    expect(stub.bindings.size).toBe(60);
  });

  it("hands over to a second process at once when it is stopped", async () => {
    for (let i = 0; i < 3; i++) stub.addNode(rawNode(`node-${i}`, 8));
    for (let i = 0; i < 20; i++) stub.addPod(rawPod(`a-${i}`));
    const first = await launch({ identity: "first" });
    await stub.until(isAllBound(20));
    await launch({ identity: "second" });
    for (let i = 0; i < 20; i++) stub.addPod(rawPod(`b-${i}`));
    await stub.until(isAllBound(40));
    await first.end();
    for (let i = 0; i < 20; i++) stub.addPod(rawPod(`c-${i}`));
    await stub.until(isAllBound(60));
    expect(stub.doubleBindings).toBe(0);
  });

  it("refuses pods whose needs it does not weigh, and keeps to taints and affinity", async () => {
    const taints = [{ key: "gpu", value: "yes", effect: "NoSchedule" }];
    stub.addNode(rawNode("tainted", 64, { spec: { taints } }));
    stub.addNode(rawNode("plain", 4));
    const claim = { name: "data", persistentVolumeClaim: { claimName: "data" } };
    stub.addPod(rawPod("with-claim", "100m", { volumes: [claim] }));
    const tolerations = [{ key: "gpu", operator: "Exists" }];
    stub.addPod(rawPod("tolerant", "8", { tolerations }));
    stub.addPod(rawPod("plain-pod"));
    stub.addPod(rawPod("gated", "100m", { schedulingGates: [{ name: "wait" }] }));
    const { end } = await launch();
    await stub.until(
      () => stub.bindings.size >= 2 && stub.events.some(({ reason }) => reason !== "Scheduled"),
    );
    await end();
    expect(stub.bindings.get("uid-tolerant")).toEqual(["tainted"]);
    expect(stub.bindings.get("uid-plain-pod")).toEqual(["plain"]);
    expect([...stub.bindings.keys()]).toHaveLength(2);
    const refused = stub.events.find(({ reason }) => reason === "FailedScheduling");
    expect(refused?.message).toContain("persistent volume claims");
  });
});
