import { createPrng } from "@fmlab/sim";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AuditJournal } from "../../src/adapters/audit-journal.ts";
import { Brain } from "../../src/adapters/brain.ts";
import { BrainMetrics } from "../../src/adapters/brain-metrics.ts";
import { Extender } from "../../src/adapters/kubernetes/extender.ts";
import { KubeCluster } from "../../src/adapters/kubernetes/kube-cluster.ts";
import { readNode } from "../../src/adapters/kubernetes/objects.ts";
import { createScheduler } from "../../src/scheduling/registry.ts";
import { rawNode, rawPod, realTime } from "./kube-lab.ts";
import exchanges from "./wire/extender.json" with { type: "json" };

describe("the scheduler extender", () => {
  let extender: Extender;
  let address: string;
  let cluster: KubeCluster;
  let metrics: BrainMetrics;

  beforeEach(async () => {
    metrics = new BrainMetrics();
    const prng = createPrng(1);
    cluster = new KubeCluster({
      policies: [
        { effect: "deny", reason: "no shop at the edge", tenants: ["shop"], tiers: ["edge"] },
      ],
      tenants: [],
      zoneRttMs: {},
      defaultRttMs: 10,
    });
    const brain = new Brain({
      scheduler: createScheduler("kubernetes-classic", prng),
      fallback: createScheduler("least-connections", prng),
      journal: new AuditJournal(),
      metrics,
      clock: realTime,
    });
    extender = new Extender(
      { host: "127.0.0.1", port: 0, prefix: "/cnc" },
      { brain, cluster, api: undefined, metrics, time: realTime, isReady: () => true },
    );
    address = await extender.start();
  });

  afterEach(() => extender.stop());

  async function post(verb: string, body: unknown): Promise<{ status: number; answer: unknown }> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(`${address}/cnc/${verb}`, { method: "POST", body: text });
    return { status: response.status, answer: await response.json() };
  }

  function learn(...raws: object[]): void {
    for (const raw of raws) {
      const read = readNode(raw);
      if (!("value" in read)) throw new Error(read.problem);
      cluster.setNode(read.value);
    }
  }

  const edge = { metadata: { labels: { "cnc-brain.fmlab.dev/tier": "edge" } } };

  it.each(exchanges)("answers the recorded request: $title", async ({ verb, request, answer }) => {
    learn(rawNode("big", 8), rawNode("small", 1), rawNode("edge-1", 8, edge));
    expect(await post(verb, request)).toEqual({ status: 200, answer });
  });

  it("gives whole nodes back when it was asked with whole nodes", async () => {
    const items = [rawNode("big", 8), rawNode("tiny", 0.05)];
    const args = { Pod: rawPod("p"), Nodes: { items }, NodeNames: null };
    const { answer } = await post("filter", args);
    expect(answer).toMatchObject({
      Nodes: { kind: "NodeList", apiVersion: "v1", items: [items[0]] },
      NodeNames: null,
      FailedNodes: { tiny: "Insufficient cpu" },
      Error: "",
    });
  });

  it("scores within 0 to 10 in whole numbers, the best node 10", async () => {
    learn(...Array.from({ length: 5 }, (_, i) => rawNode(`n${i}`, 1 + 3 * i)));
    const NodeNames = ["n0", "n1", "n2", "n3", "n4"];
    const { answer } = await post("prioritize", { Pod: rawPod("p", "500m"), NodeNames });
    const scores = answer as { Host: string; Score: number }[];
    expect(scores.map(({ Host }) => Host)).toEqual(NodeNames);
    expect(scores.every(({ Score }) => Number.isInteger(Score) && Score >= 0)).toBe(true);
    expect(scores.at(-1)).toEqual({ Host: "n4", Score: 10 });
    expect(scores[0]?.Score).toBe(0);
  });

  it("answers what it cannot understand with an error and goes on", async () => {
    learn(rawNode("big", 8));
    expect((await post("filter", "{")).status).toBe(400);
    expect((await post("filter", [1, 2])).status).toBe(400);
    expect((await post("prioritize", { Pod: 7, NodeNames: ["big"] })).status).toBe(400);
    const { answer } = await post("filter", { Pod: { spec: null }, NodeNames: ["big"] });
    expect((answer as { Error: string }).Error).toMatch(/the pod cannot be read/);
    expect((await post("bind", { PodName: "p" })).status).toBe(400);
    const fine = await post("filter", { Pod: rawPod("p"), NodeNames: ["big"] });
    expect(fine.answer).toMatchObject({ NodeNames: ["big"], Error: "" });
    const scraped = await (await fetch(`${address}/metrics`)).text();
    expect(scraped).toContain('cnc_brain_malformed_total{source="extender"} 4');
  });
});
