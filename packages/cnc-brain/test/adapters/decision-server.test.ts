import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPrng } from "@fmlab/sim";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { AuditJournal } from "../../src/adapters/audit-journal.ts";
import { Brain } from "../../src/adapters/brain.ts";
import { BrainMetrics } from "../../src/adapters/brain-metrics.ts";
import { readClusterDocument } from "../../src/adapters/serve/cluster-document.ts";
import { DecisionServer } from "../../src/adapters/serve/decision-server.ts";
import { startDecisions } from "../../src/adapters/serve/start-decisions.ts";
import { startBrain } from "../../src/adapters/start-brain.ts";
import { type AuditEntry, verifyAudit } from "../../src/governance/audit-log.ts";
import { serialiseWeights, untrainedWeights } from "../../src/learn/policy-weights.ts";
import { createScheduler } from "../../src/scheduling/registry.ts";
import type { Scheduler } from "../../src/scheduling/scheduler.ts";
import { realTime } from "./kube-lab.ts";

const document = {
  sites: ["paris", "oslo"],
  rttMs: [
    [0, 40],
    [40, 0],
  ],
  nodes: [
    { name: "p1", site: "paris", cores: 2, memoryMb: 4000 },
    { name: "o1", site: "oslo", cores: 8, memoryMb: 16000, tier: "edge" },
  ],
  functions: [
    { name: "resize", tenant: "shop", memoryMb: 256, meanDurationMs: 100, sloMs: 400 },
    { name: "ledger", tenant: "bank", memoryMb: 256, meanDurationMs: 100 },
  ],
  policies: [
    { effect: "only", reason: "ledgers stay in Oslo", tenants: ["bank"], sites: ["oslo"] },
  ],
  tenants: [{ name: "shop", quota: 0.35 }],
};

describe("the decision server", () => {
  const stops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });

  async function serve(scheduler?: Scheduler) {
    const metrics = new BrainMetrics();
    const journal = new AuditJournal();
    const prng = createPrng(1);
    const brain = new Brain({
      scheduler: scheduler ?? createScheduler("latency-greedy", prng),
      fallback: createScheduler("latency-greedy", prng),
      journal,
      metrics,
      clock: realTime,
    });
    const cluster = readClusterDocument(document);
    const parts = { brain, cluster, journal, metrics, time: realTime };
    const server = new DecisionServer({ host: "127.0.0.1", port: 0 }, parts);
    const address = await server.start();
    stops.push(() => server.stop());
    const call = async (method: string, path: string, body?: unknown) => {
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const init = body === undefined ? { method } : { method, body: text };
      const response = await fetch(address + path, init);
      return { status: response.status, text: await response.text(), headers: response.headers };
    };
    const decide = async (body: object) =>
      JSON.parse((await call("POST", "/v1/decisions", body)).text) as {
        id: number;
        result: string;
        nodes: string[];
        explanation?: { counterfactuals: unknown[] };
      };
    return { call, decide, cluster };
  }

  it("decides near the user, within rules and quotas, and frees what has ended", async () => {
    const { call, decide } = await serve();
    const first = await decide({ function: "resize", site: "paris" });
    expect(first).toMatchObject({ id: 0, result: "placed", nodes: ["p1"] });
    expect((await decide({ function: "resize", site: "oslo" })).nodes).toEqual(["o1"]);
    // The rule is checked before the mask: from Paris too the ledger runs in Oslo.
    expect((await decide({ function: "ledger", site: "paris" })).nodes).toEqual(["o1"]);
    expect((await decide({ function: "resize" })).result).toBe("placed");
    // 0.35 of ten cores: three at a time.
    expect((await decide({ function: "resize" })).result).toBe("over-quota");
    const outcome = { id: first.id, responseMs: 120 };
    expect((await call("POST", "/v1/outcomes", outcome)).status).toBe(204);
    expect((await call("POST", "/v1/outcomes", outcome)).status).toBe(404);
    expect((await decide({ function: "resize" })).result).toBe("placed");
  });

  it("explains a decision on the picture it was made on, and logs all of them", async () => {
    const { call, decide } = await serve();
    const { explanation } = await decide({ function: "resize", site: "paris", explain: true });
    expect(explanation?.counterfactuals).toHaveLength(1);
    const { text, headers } = await call("GET", "/v1/audit");
    const entries = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as AuditEntry);
    verifyAudit(entries, headers.get("x-audit-head") ?? "");
    expect(entries.at(-1)).toMatchObject({ kind: "placed", record: { node: "p1" } });
    const { text: scraped } = await call("GET", "/metrics");
    expect(scraped).toContain(
      'cnc_brain_decisions_total{scheduler="latency-greedy",result="placed"} 1',
    );
  });

  it("follows snapshots: nothing is placed on what was not seen", async () => {
    const { call, decide } = await serve();
    const state = {
      name: "o1",
      isUp: true,
      running: 0,
      queued: 0,
      coresRequested: 0,
      memoryRequestedMb: 0,
      memoryUsedMb: 0,
      acceleratorsRequested: 0,
      backlogMs: 0,
      warm: { resize: 1 },
      images: ["resize"],
    };
    const snapshot = { source: "openfaas", takenAtMs: 0, nodes: [state, { ...state, name: "x" }] };
    const { status, text } = await call("PUT", "/v1/snapshot", snapshot);
    expect([status, JSON.parse(text)]).toMatchObject([200, { unknown: ["x"] }]);
    expect((await decide({ function: "resize", site: "paris" })).nodes).toEqual(["o1"]);
  });

  it("never does what a policy chooses outside the mask, nor falls with one that throws", async () => {
    let choice: () => number = () => 0;
    const { decide, call } = await serve({ name: "learned", place: () => choice() });
    expect((await decide({ function: "ledger" })).nodes).toEqual(["o1"]);
    choice = () => 99;
    expect((await decide({ function: "ledger" })).nodes).toEqual(["o1"]);
    choice = () => {
      throw new Error("NaN in the logits");
    };
    expect((await decide({ function: "ledger" })).nodes).toEqual(["o1"]);
    const { text } = await call("GET", "/metrics");
    expect(text).toContain('cnc_brain_fallbacks_total{reason="broke-mask"} 2');
    expect(text).toContain('cnc_brain_fallbacks_total{reason="threw"} 1');
  });

  it("answers whatever it is sent and goes on", async () => {
    const { call, decide } = await serve();
    const paths = fc.constantFrom("/v1/decisions", "/v1/outcomes", "/v1/snapshot", "/%zz", "/x");
    await fc.assert(
      fc.asyncProperty(paths, fc.oneof(fc.json(), fc.string()), async (path, body) => {
        const method = path === "/v1/snapshot" ? "PUT" : "POST";
        expect((await call(method, path, body)).status).toBeGreaterThanOrEqual(400);
      }),
      { numRuns: 60, seed: 8 },
    );
    expect((await decide({ function: "resize" })).result).toBe("placed");
  });
});

describe("a brain by names", () => {
  it("serves a trained policy from its file as it serves a baseline", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cnc-brain-"));
    try {
      const policy = join(folder, "policy-1.json");
      writeFileSync(policy, serialiseWeights(untrainedWeights(createPrng(1))));
      const settings = { fallback: "jsq-2", seed: 1, auditFile: join(folder, "audit.jsonl") };
      const reached = { host: "127.0.0.1", port: 0, cluster: document };
      const server = await startDecisions({ ...settings, ...reached, policy }, realTime);
      const body = JSON.stringify({ function: "ledger", site: "paris" });
      const init = { method: "POST", body };
      const answer = await (await fetch(`${server.address}/v1/decisions`, init)).json();
      await server.stop();
      expect(answer).toMatchObject({ result: "placed", nodes: ["o1"], scheduler: "learned" });
      expect(readFileSync(join(folder, "audit.jsonl"), "utf8")).toContain('"node":"o1"');
      expect(() =>
        startBrain({ ...settings, policy: join(folder, "none.json") }, realTime),
      ).toThrow(/cannot be read/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("the journal", () => {
  it("begins a segment where the last one ended, each of them verifiable", () => {
    const journal = new AuditJournal(undefined, 4);
    const heads: string[] = [];
    for (let i = 0; i < 10; i++) {
      journal.append(i, "placed", { request: i });
      verifyAudit(journal.entries, journal.head);
      heads.push(journal.head);
    }
    expect(journal.entries).toHaveLength(2);
    expect(journal.entries[0]?.record).toEqual({ segment: 3, after: heads[8] });
  });
});

describe("a cluster document", () => {
  it.each([
    ["an unknown field", { ...document, node: [] }, /node/],
    [
      "a node at no site",
      { ...document, nodes: [{ name: "x", site: "rome", cores: 1, memoryMb: 1 }] },
      /no site rome/,
    ],
    ["a name twice", { ...document, functions: [{ name: "a" }, { name: "a" }] }, /function twice/],
    ["a malformed rule", { ...document, policies: [{ effect: "maybe" }] }, /effect must be/],
  ])("is refused with %s", (_, bad, message) => {
    expect(() => readClusterDocument(bad)).toThrow(message);
  });
});
