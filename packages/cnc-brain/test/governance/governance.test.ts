import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { AuditLog, verifyAudit } from "../../src/governance/audit-log.ts";
import { chargeTenants, jainIndex } from "../../src/governance/charges.ts";
import { dominantShare, drfAllocate } from "../../src/governance/dominant-resource.ts";
import { explainDecision } from "../../src/governance/explain.ts";
import { Governor } from "../../src/governance/governor.ts";
import { gradeAutonomy } from "../../src/governance/intelligence-level.ts";
import { PolicySet, parsePolicies } from "../../src/governance/policies.ts";
import { fixedRttNetwork } from "../../src/network/network.ts";
import { SCHEDULER_NAMES } from "../../src/scheduling/names.ts";
import { createScheduler } from "../../src/scheduling/registry.ts";
import type { Scheduler, ScorePart } from "../../src/scheduling/scheduler.ts";
import { ClusterView } from "../../src/simulator/cluster-view.ts";
import { simulate } from "../../src/simulator/simulate.ts";
import { summarise } from "../../src/simulator/summary.ts";
import { traceOfRows } from "../../src/traces/invocation-trace.ts";
import { plainCluster, plainFunction, plainNode, poissonTrace } from "../simulator/workloads.ts";

const nodes = [
  plainNode({ tier: "cloud", cores: 4, memoryMb: 1000, pricePerCoreHour: 3600 }, 0),
  plainNode({ tier: "edge", cores: 2, memoryMb: 500, labels: { zone: "b" } }, 1),
  plainNode({ tier: "edge", cores: 2, memoryMb: 500, site: 1 }, 2),
];
const functions = [
  plainFunction({ name: "a", tenant: "alpha", memoryMb: 50 }),
  plainFunction({ name: "b", tenant: "beta", memoryMb: 50 }),
];
const network = fixedRttNetwork(["home", "away"], 2);

describe("dominant-resource fairness", () => {
  it("gives the paper's example: 9 cores and 18 GB for <1, 4> and <3, 1>", () => {
    const users = [
      { demand: [1, 4], weight: 1 },
      { demand: [3, 1], weight: 1 },
    ];
    expect(drfAllocate([9, 18], users)).toEqual([3, 2]);
  });

  it("launches tasks in the order of the shares their users have before each", () => {
    for (let seed = 0; seed < 60; seed++) {
      const prng = createPrng(seed, "drf");
      const capacity = [20 + prng.nextInt(50), 20 + prng.nextInt(50)];
      const users = Array.from({ length: 2 + prng.nextInt(3) }, () => ({
        demand: [1 + prng.nextInt(5), prng.nextInt(5)],
        weight: 1 + prng.nextInt(3),
      }));
      // All tasks anyone could want, by share over weight before the launch, then by user.
      const wanted = users
        .flatMap(({ demand, weight }, user) =>
          Array.from({ length: 80 }, (_, k) => ({
            user,
            share:
              dominantShare(
                demand.map((d) => d * k),
                capacity,
              ) / weight,
          })),
        )
        .sort((a, b) => a.share - b.share || a.user - b.user);
      const left = [...capacity];
      const tasks = users.map(() => 0);
      const closed = new Set<number>();
      for (const { user } of wanted) {
        const demand = users[user]?.demand ?? [];
        const fits = left.every((size, r) => (demand[r] ?? 0) <= size);
        if (!fits) closed.add(user);
        if (closed.has(user)) continue;
        demand.forEach((d, r) => {
          left[r] = (left[r] ?? 0) - d;
        });
        tasks[user] = (tasks[user] ?? 0) + 1;
      }
      expect(drfAllocate(capacity, users), `seed ${seed}`).toEqual(tasks);
    }
  });
});

describe("policies", () => {
  it("are data; misspelt or empty ones are refused with their place", () => {
    const good = { effect: "deny", reason: "law", tenants: ["alpha"], tiers: ["cloud"] };
    expect(parsePolicies([good])).toHaveLength(1);
    expect(() => parsePolicies({})).toThrowError(/a list of rules/);
    expect(() => parsePolicies([good, { ...good, tenant: "x" }])).toThrowError(/rule 1: no field/);
    expect(() => parsePolicies([{ ...good, effect: "allow" }])).toThrowError(/deny or only/);
    expect(() => parsePolicies([{ ...good, reason: "" }])).toThrowError(/must say why/);
    expect(() => parsePolicies([{ ...good, tiers: ["moon"] }])).toThrowError(/no tier "moon"/);
    expect(() => parsePolicies([{ ...good, tenants: [] }])).toThrowError(/a list of names/);
    expect(() => parsePolicies([{ ...good, labels: { a: 1 } }])).toThrowError(/map names to texts/);
  });

  it("deny what they name, and `only` denies everything else", () => {
    const rules = parsePolicies([
      { effect: "deny", reason: "no cloud for alpha", tenants: ["alpha"], tiers: ["cloud"] },
      { effect: "only", reason: "b stays in zone b", functions: ["b"], labels: { zone: "b" } },
    ]);
    const set = new PolicySet(rules, network.siteNames);
    const allowed = functions.map((fn) => nodes.map((node) => set.judge(fn, node).isAllowed));
    expect(allowed).toEqual([
      [false, true, true],
      [false, true, false],
    ]);
    const [, b] = functions;
    if (b === undefined) throw new Error("two functions");
    expect(set.judge(b, nodes[0] ?? plainNode())).toMatchObject({ rule: 1, reason: /zone b/ });
  });

  it("are never broken by any baseline, over many requests and outages", () => {
    const rules = parsePolicies([
      { effect: "deny", reason: "x", tenants: ["alpha"], tiers: ["cloud"] },
      { effect: "deny", reason: "y", functions: ["b"], sites: ["away"] },
    ]);
    const policies = new PolicySet(rules, network.siteNames);
    for (const name of SCHEDULER_NAMES) {
      const prng = createPrng(3, name);
      const trace = poissonTrace(prng, 1500, 300, (p) => p.exponential(700));
      for (let i = 0; i < trace.count; i++) trace.functionIndex[i] = prng.nextInt(2);
      const result = simulate({
        ...plainCluster(nodes, trace, createScheduler(name, prng)),
        functions,
        network,
        admission: new Governor(functions, nodes, policies, []),
        failures: [{ node: 1, atMs: 50_000, forMs: 60_000 }],
      });
      result.node.forEach((node, id) => {
        const fn = functions[trace.functionIndex[id] ?? 0];
        const spec = nodes[node];
        if (fn && spec) expect(policies.judge(fn, spec).isAllowed).toBe(true);
      });
      expect(summarise(result).lostShare, name).toBe(0);
    }
  });
});

describe("quotas", () => {
  const free = new PolicySet([], network.siteNames);
  const burst = traceOfRows(
    Array.from({ length: 40 }, (_, i) => ({
      functionIndex: i < 30 ? 0 : 1,
      arrivalMs: i / 100,
      durationMs: 100,
    })),
  );

  it("keep a tenant within its dominant share, and nobody waits who has some left", () => {
    const tenants = [{ name: "alpha", quota: 0.5, weight: 1 }];
    const governor = new Governor(functions, nodes, free, tenants);
    let most = 0;
    const result = simulate({
      ...plainCluster(nodes, burst, createScheduler("least-connections", createPrng(1))),
      functions,
      network,
      admission: governor,
      onDecision: () => {
        most = Math.max(most, governor.shareOf("alpha"));
      },
    });
    expect(most).toBe(0.5);
    expect(governor.heldBack).toBeGreaterThan(0);
    expect(governor.shareOf("alpha")).toBe(0);
    // Eight cores, half of them alpha's: beta's ten requests run at once but for two rounds.
    const beta = [...result.responseMs].slice(30);
    expect(Math.max(...beta)).toBeLessThan(320);
    expect(result.responseMs.every((ms) => ms > 0)).toBe(true);
  });

  it("let in by share over weight", () => {
    const tenants = [
      { name: "alpha", quota: 0.4, weight: 1 },
      { name: "beta", quota: 0.4, weight: 4 },
    ];
    const governor = new Governor(functions, nodes, free, tenants);
    governor.acquire(0);
    governor.acquire(1);
    governor.acquire(1);
    expect(governor.turn(1)).toBeLessThan(governor.turn(0));
    expect(
      () => new Governor(functions, nodes, free, [{ name: "x", quota: 0, weight: 1 }]),
    ).toThrow(/quota must be above 0/);
  });
});

describe("charges", () => {
  it("are run time at the node's price, tenant by tenant", () => {
    const trace = traceOfRows([
      { functionIndex: 0, arrivalMs: 0, durationMs: 1000 },
      { functionIndex: 1, arrivalMs: 0, durationMs: 500 },
    ]);
    const result = simulate({
      ...plainCluster(nodes.slice(0, 1), trace, createScheduler("round-robin", createPrng(1))),
      functions,
    });
    const charges = chargeTenants(result, trace);
    expect(charges.map(({ tenant, price }) => [tenant, price])).toEqual([
      ["alpha", 1],
      ["beta", 0.5],
    ]);
    expect(charges.reduce((sum, c) => sum + c.price, 0)).toBeCloseTo(summarise(result).price, 9);
    expect(jainIndex([1, 1, 1])).toBe(1);
    expect(jainIndex([1, 0, 0, 0])).toBe(0.25);
  });
});

describe("the audit log", () => {
  const filled = () => {
    const log = new AuditLog();
    for (let i = 0; i < 5; i++) log.append(i, "placed", { request: i, node: `n${i}` });
    return log;
  };

  it("holds, whatever the order of a record's fields", () => {
    const log = filled();
    verifyAudit(log.entries, log.head);
    const read = log
      .toJsonLines()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    verifyAudit(read, log.head);
    const other = new AuditLog();
    other.append(0, "placed", { node: "n0", request: 0 });
    expect(other.head).toBe(log.entries[0]?.hash);
  });

  it("shows every change, gap, swap and cut", () => {
    const { entries, head } = filled();
    const change = (edit: (list: typeof entries) => unknown[]) => () =>
      verifyAudit(edit(structuredClone(entries)) as typeof entries, head);
    expect(change((e) => e.map((x) => (x.index === 2 ? { ...x, atMs: 9 } : x)))).toThrow(/entry 2/);
    expect(
      change((e) =>
        e.map((x) => (x.index === 3 ? { ...x, record: { ...x.record, node: "?" } } : x)),
      ),
    ).toThrow(/entry 3: its content was changed/);
    expect(change((e) => e.filter((x) => x.index !== 1))).toThrow(/entry 1/);
    expect(change((e) => [e[1], e[0], ...e.slice(2)])).toThrow(/entry 0/);
    expect(change((e) => e.slice(0, 4))).toThrow(/at the end are missing/);
  });
});

describe("explanations", () => {
  const view = () => new ClusterView(nodes, functions, network);
  const request = (mask = [1, 1, 1]) => ({
    id: 7,
    functionIndex: 0,
    site: 0,
    arrivalMs: 0,
    attempt: 0,
    candidates: {
      mask: Uint8Array.from(mask),
      nodes: Int32Array.from(mask.flatMap((m, i) => (m === 1 ? [i] : []))),
    },
  });

  it("have a standing for every node of every baseline's decision, with reasons for the excluded", () => {
    const rules = parsePolicies([{ effect: "deny", reason: "no cloud", tiers: ["cloud"] }]);
    const policies = new PolicySet(rules, network.siteNames);
    for (const name of SCHEDULER_NAMES) {
      const scheduler = createScheduler(name, createPrng(1));
      const r = request([0, 1, 1]);
      const v = view();
      const decision = scheduler.place(r, v);
      const found = explainDecision(r, v, scheduler, decision, { policies });
      expect(found.standings).toHaveLength(3);
      expect(found.standings[0]?.excluded).toBe("policy rule 0: no cloud");
      expect(found.chosen.length).toBeGreaterThan(0);
      const others = found.standings.filter((s) => !s.excluded && !s.isChosen).length;
      expect(found.counterfactuals).toHaveLength(others);
    }
  });

  it("tell weights at which the other node ties: setting them makes the totals equal", () => {
    for (let seed = 0; seed < 40; seed++) {
      const prng = createPrng(seed, "explain");
      const parts: ScorePart[][] = nodes.map(() =>
        ["speed", "price", "green"].map((criterion) => ({
          criterion,
          weight: 1 + prng.nextInt(3),
          value: prng.nextFloat(),
        })),
      );
      for (const row of parts) {
        for (const [i, p] of row.entries()) p.weight = parts[0]?.[i]?.weight ?? 1;
      }
      const total = (row: ScorePart[]) => row.reduce((s, p) => s + p.weight * p.value, 0);
      const winner =
        [0, 1, 2].sort((a, b) => total(parts[b] ?? []) - total(parts[a] ?? []))[0] ?? 0;
      const scheduler: Scheduler = {
        name: "weighted",
        place: () => winner,
        score: (_, __, node) => parts[node] ?? [],
      };
      const found = explainDecision(request(), view(), scheduler, winner);
      for (const { node, ties } of found.counterfactuals) {
        for (const { criterion, wouldBe } of ties) {
          const retold = (row: ScorePart[]) =>
            total(row.map((p) => (p.criterion === criterion ? { ...p, weight: wouldBe } : p)));
          expect(retold(parts[node] ?? [])).toBeCloseTo(retold(parts[winner] ?? []), 9);
        }
      }
    }
  });

  it("put it into words", () => {
    const v = view();
    v.coresRequested[1] = 4;
    v.backlogMs[1] = 4000;
    const scheduler = createScheduler("latency-greedy", createPrng(1));
    const r = request([1, 1, 0]);
    const found = explainDecision(r, v, scheduler, scheduler.place(r, v));
    expect(found.counterfactuals[0]?.text).toMatch(/^node-1: \+1500 ms wait/);
  });
});

describe("the level of autonomy", () => {
  const all = {
    automaticDecisionShare: 1,
    snapshotAgeMs: 5,
    forecastCoverage: { found: 0.905, wanted: 0.9 },
    policyViolations: 0,
    explainedShare: 1,
    recoveredShare: 1,
    hasGatedLearning: true,
    adaptationRecovery: 0.95,
  };

  it("is the highest one with all below it met", () => {
    expect(gradeAutonomy(all)).toMatchObject({ level: 5, name: "full" });
    expect(gradeAutonomy({ ...all, adaptationRecovery: undefined }).level).toBe(4);
    expect(gradeAutonomy({ ...all, hasGatedLearning: false }).level).toBe(3);
    expect(gradeAutonomy({ ...all, forecastCoverage: undefined }).level).toBe(2);
    expect(gradeAutonomy({ ...all, policyViolations: 1 }).level).toBe(1);
    expect(gradeAutonomy({ ...all, snapshotAgeMs: undefined }).level).toBe(0);
  });
});
