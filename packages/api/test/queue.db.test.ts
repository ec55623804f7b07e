import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Job } from "../src/protocol.ts";
import { Reaper } from "../src/queue/reaper.ts";
import { startTestPlatform, type TestPlatform, type TestUser } from "../src/testing.ts";
import { registration, reproduction, testExperiments } from "./definitions.ts";

let t: TestPlatform;
let agent: ReturnType<TestPlatform["withToken"]>;
let machineId: string;
beforeAll(async () => {
  t = await startTestPlatform({ experiments: testExperiments, background: false });
  agent = t.withToken(t.agentToken);
  ({ machineId } = await agent.agent.register.mutate(registration()));
});
afterAll(() => t.stop());

const launch = async (count = 1, more: Record<string, unknown> = {}) => {
  const input = { projectId: t.projectId, kind: "test.curve", seeds: seeds(count), ...more };
  return (await t.as("member").run.create.mutate(input)).runs.map((r) => r.id);
};
const seeds = (count: number) => Array.from({ length: count }, (_, i) => i);
const claim = (machine = machineId) => agent.agent.claim.mutate({ machineId: machine, waitMs: 0 });
const claimed = async (): Promise<Job> => {
  const job = await claim();
  if (job === null) throw new Error("nothing to claim");
  return job;
};
const fence = ({ runId, attemptNumber }: Job) => ({ runId, attemptNumber });
const start = (job: Job) => agent.agent.start.mutate({ ...fence(job), reproduction });
const finish = (
  job: Job,
  state: "SUCCEEDED" | "FAILED" | "CANCELLED",
  code?: "EXPERIMENT_ERROR" | "HOST_LOST" | "OUT_OF_MEMORY",
) =>
  agent.agent.finish.mutate({
    ...fence(job),
    state,
    failure: code ? { code, message: "it broke" } : null,
    summary: state === "SUCCEEDED" ? { answer: 42 } : null,
    fidelity: "simulated",
    reproduction,
  });
const get = (runId: string) => t.as("viewer").run.get.query({ runId });
/** Lets the attempt's lease lapse, by the database's clock. */
const lapse = (runId: string) => t.db.$executeRaw`UPDATE attempt
  SET "leaseExpiresAt" = clock_timestamp() - interval '1 second' WHERE "runId" = ${runId}::uuid
  AND state IN ('CLAIMED', 'RUNNING')`;
/** A reaper that has seen a healthy database for long enough. */
const reap = async () => {
  let nowMs = 0;
  const reaper = new Reaper(t.db, () => nowMs);
  let count = 0;
  for (; nowMs <= 16_000; nowMs += 2_000) count += await reaper.tick();
  return count;
};
const drain = async () => {
  for (let job = await claim(); job !== null; job = await claim()) await finish(job, "SUCCEEDED");
};

describe("a machine", () => {
  const remove = (id: string, as: "admin" | TestUser = "admin") => {
    const organizationId = as === "admin" ? t.organizationId : t.foreignOrganizationId;
    return t.as(as).machine.remove.mutate({ organizationId, machineId: id });
  };
  const leave = (id: string) => t.db.$executeRaw`UPDATE machine
    SET "lastSeenAt" = clock_timestamp() - interval '31 seconds' WHERE id = ${id}::uuid`;

  it("can be removed when it is offline and idle, and its runs stay", async () => {
    const { machineId: id } = await agent.agent.register.mutate(registration("leaver"));
    const inUse = { data: { code: "CONFLICT", failure: { code: "MACHINE_IN_USE" } } };
    await expect(remove(id)).rejects.toMatchObject(inUse);
    const [runId = ""] = await launch();
    const job = (await claim(id)) as Job;
    await leave(id);
    await expect(remove(id)).rejects.toThrow(/leaver still holds 1 unfinished attempt/);
    await finish(job, "SUCCEEDED");
    await expect(remove(id, t.foreigner)).rejects.toThrow(/there is no machine/);
    expect(await remove(id)).toEqual({ id });
    const { organizationId } = t;
    const machines = await t.as("viewer").machine.list.query({ organizationId });
    expect(machines.map((m) => m.name)).not.toContain("leaver");
    expect((await get(runId)).state).toBe("SUCCEEDED");
    const attempt = await t.db.attempt.findFirstOrThrow({ where: { runId } });
    expect(attempt).toMatchObject({ state: "SUCCEEDED", machineId: null });
    const [entry] = (await t.as("admin").audit.list.query({ organizationId })).rows;
    expect(entry).toMatchObject({ action: "machine.remove", before: { name: "leaver" } });
    await expect(claim(id)).rejects.toThrow(/there is no machine/);
  });
});

describe("the queue", () => {
  it("gives out by priority, then by time", async () => {
    const [low = ""] = await launch(1, { priority: -1 });
    const [first = ""] = await launch();
    const [second = ""] = await launch();
    const [high = ""] = await launch(1, { priority: 5 });
    const order = [await claimed(), await claimed(), await claimed(), await claimed()];
    expect(order.map((j) => j.runId)).toEqual([high, first, second, low]);
    for (const job of order) await finish(job, "SUCCEEDED");
    expect(await claim()).toBeNull();
  });

  it("gives each of 200 runs to exactly one of two racing machines", async () => {
    const ids = await launch(200);
    const other = await agent.agent.register.mutate(registration("machine-2"));
    const takeAll = async (machine: string) => {
      const taken: string[] = [];
      for (let job = await claim(machine); job !== null; job = await claim(machine)) {
        taken.push(job.runId);
      }
      return taken;
    };
    const machines = [machineId, other.machineId, machineId, other.machineId];
    const taken = await Promise.all(machines.map(takeAll));
    expect(taken.flat().sort()).toEqual([...ids].sort());
    expect(new Set(taken.flat()).size).toBe(200);
    const attempts = await t.db.attempt.groupBy({
      by: ["number"],
      where: { runId: { in: ids } },
      _count: true,
    });
    expect(attempts).toEqual([{ number: 1, _count: 200 }]);
    await t.db.run.deleteMany({ where: { id: { in: ids } } });
  });

  it("matches tags, memory, versions and organisation", async () => {
    const bare = await agent.agent.register.mutate(
      registration("bare", {
        capabilities: [],
        facts: { ...reproduction.machine, memoryBytes: 2 ** 30 },
      }),
    );
    const old = await agent.agent.register.mutate(registration("old", { definitions: {} }));
    const [withFile = ""] = await launch(1, { preset: "model" });
    expect(await claim(bare.machineId)).toBeNull();
    expect(await claim(old.machineId)).toBeNull();
    const job = await claimed();
    expect(job.runId).toBe(withFile);
    await finish(job, "SUCCEEDED");
    const [big = ""] = await launch(2, { config: { memoryBytes: 5 * 2 ** 30 } });
    expect(await claim(bare.machineId)).toBeNull();
    const holding = await claimed();
    expect(holding.runId).toBe(big);
    // The other one needs 5 GiB too, and 3 are left.
    expect(await claim()).toBeNull();
    await finish(holding, "SUCCEEDED");
    await drain();
    const foreignToken = await t.db.apiToken.findFirstOrThrow({ where: { use: "agent" } });
    await t.db.apiToken.update({
      where: { id: foreignToken.id },
      data: { organizationId: t.foreignOrganizationId },
    });
    await launch();
    await expect(claim()).rejects.toMatchObject({ data: { code: "NOT_FOUND" } });
    await t.db.apiToken.update({
      where: { id: foreignToken.id },
      data: { organizationId: t.organizationId },
    });
    await drain();
  });

  it("wakes a waiting claim as soon as a run is launched", async () => {
    const began = performance.now();
    const waiting = agent.agent.claim.mutate({ machineId, waitMs: 20_000 });
    const [id = ""] = await launch();
    const job = await waiting;
    expect(job?.runId).toBe(id);
    expect(performance.now() - began).toBeLessThan(4_000);
    if (job) await finish(job, "SUCCEEDED");
  });

  it("answers null when nothing comes while a claim waits", async () => {
    expect(await agent.agent.claim.mutate({ machineId, waitMs: 50 })).toBeNull();
  });

  it("gives nothing to a claim whose caller has gone", async () => {
    const waiters = () => t.platform().hub.listenerCount(t.organizationId);
    const gone = new AbortController();
    const waiting = agent.agent.claim.mutate(
      { machineId, waitMs: 20_000 },
      { signal: gone.signal },
    );
    const failed = expect(waiting).rejects.toThrow();
    await expect.poll(waiters).toBe(1);
    gone.abort();
    await failed;
    await expect.poll(waiters).toBe(0);
    const [id = ""] = await launch();
    const job = await claimed();
    expect(job.runId).toBe(id);
    await finish(job, "SUCCEEDED");
  });

  it("creates nothing new for a repeated idempotency key, also at the same time", async () => {
    const idempotencyKey = randomUUID();
    const before = await t.db.run.count();
    const all = await Promise.all([1, 2, 3].map(() => launch(3, { idempotencyKey })));
    expect(all[1]).toEqual(all[0]);
    expect(all[2]).toEqual(all[0]);
    expect(await t.db.run.count()).toBe(before + 3);
    await drain();
  });
});

describe("an attempt", () => {
  it("starts, ends, and leaves times that are the database's", async () => {
    const [id = ""] = await launch();
    const job = await claimed();
    expect(await start(job)).toEqual({ order: "continue" });
    expect(await start(job)).toEqual({ order: "continue" });
    expect((await get(id)).state).toBe("RUNNING");
    expect(await finish(job, "SUCCEEDED")).toEqual({ accepted: true, state: "SUCCEEDED" });
    const run = await get(id);
    expect(run).toMatchObject({ state: "SUCCEEDED", summary: { answer: 42 }, attemptCount: 1 });
    const [clock] = await t.db.$queryRaw<{ now: Date }[]>`SELECT clock_timestamp() AS now`;
    const ageMs = Number(clock?.now) - Number(run.finishedAt);
    expect(ageMs).toBeGreaterThanOrEqual(0);
    expect(ageMs).toBeLessThan(10_000);
    expect(Number(run.finishedAt)).toBeGreaterThanOrEqual(Number(run.startedAt));
  });

  it("may be finished twice, which changes nothing, but not otherwise", async () => {
    const [id = ""] = await launch();
    const job = await claimed();
    await start(job);
    await finish(job, "SUCCEEDED");
    const { finishedAt } = await get(id);
    expect(await finish(job, "SUCCEEDED")).toEqual({ accepted: true, state: "SUCCEEDED" });
    expect(await finish(job, "FAILED", "EXPERIMENT_ERROR")).toEqual({
      accepted: false,
      state: "SUCCEEDED",
    });
    expect((await get(id)).finishedAt).toEqual(finishedAt);
    expect(await start(job)).toEqual({ order: "stop" });
  });

  it.each(["EXPERIMENT_ERROR", "OUT_OF_MEMORY"] as const)(
    "that fails by %s is not retried",
    async (code) => {
      const [id = ""] = await launch();
      const job = await claimed();
      expect(await finish(job, "FAILED", code)).toEqual({ accepted: true, state: "FAILED" });
      expect(await get(id)).toMatchObject({ failureCode: code, failureMessage: "it broke" });
      expect(await claim()).toBeNull();
    },
  );

  it("that reports keeps its lease though no renewal arrives", async () => {
    await launch();
    const job = await claimed();
    await start(job);
    const other = await agent.agent.register.mutate(registration("machine-other"));
    const report = (attemptNumber: number) =>
      agent.agent.report.mutate({
        runId: job.runId,
        attemptNumber,
        metrics: [],
        logs: [],
        series: [],
      });
    await lapse(job.runId);
    expect(await report(job.attemptNumber)).toEqual({ order: "continue" });
    expect(await reap()).toBe(0);
    expect((await get(job.runId)).state).toBe("RUNNING");
    await lapse(job.runId);
    expect(await reap()).toBe(1);
    const next = await agent.agent.claim.mutate({ machineId: other.machineId });
    expect(next).toMatchObject({ runId: job.runId, attemptNumber: 2 });
    await lapse(job.runId);
    expect(await report(job.attemptNumber)).toEqual({ order: "stop" });
    expect(await reap()).toBe(1);
    await drain();
  });

  it("whose lease lapses is retried under a new number, and the old one is fenced off", async () => {
    const [id = ""] = await launch(1, { maxAttempts: 2 });
    const old = await claimed();
    await start(old);
    const report = {
      ...fence(old),
      metrics: [{ key: "loss", chunkNo: 0, sealed: false, steps: [0], values: [9], timesMs: [0] }],
      logs: [],
      series: [],
      progress: { done: 1, total: 2, label: "half" },
    };
    expect(await agent.agent.report.mutate(report)).toEqual({ order: "continue" });
    await lapse(id);
    expect(await reap()).toBe(1);
    const waiting = await get(id);
    expect(waiting).toMatchObject({ state: "QUEUED", startedAt: null, progress: { done: 0 } });
    expect(waiting.attempts[0]).toMatchObject({ state: "LOST", failure: { code: "HOST_LOST" } });
    const next = await claimed();
    expect(next).toMatchObject({ runId: id, attemptNumber: 2 });
    expect((await get(id)).metrics).toEqual({});
    expect(await agent.agent.report.mutate(report)).toEqual({ order: "stop" });
    expect(await start(old)).toEqual({ order: "stop" });
    const renewed = { machineId, attempts: [fence(old), fence(next)] };
    expect((await agent.agent.renew.mutate(renewed)).orders).toEqual(["stop", "continue"]);
    expect((await finish(old, "SUCCEEDED")).accepted).toBe(false);
    expect((await get(id)).state).toBe("CLAIMED");
    await lapse(id);
    expect(await reap()).toBe(1);
    expect(await get(id)).toMatchObject({ state: "FAILED", failureCode: "HOST_LOST" });
    expect(await claim()).toBeNull();
  });

  it("that reports its host as lost is retried too", async () => {
    const [id = ""] = await launch(1, { maxAttempts: 2 });
    expect((await finish(await claimed(), "FAILED", "HOST_LOST")).state).toBe("QUEUED");
    expect((await finish(await claimed(), "FAILED", "HOST_LOST")).state).toBe("FAILED");
    expect((await get(id)).attemptCount).toBe(2);
  });

  it("keeps its run when it renews after the lapse but before a reaper comes", async () => {
    const [id = ""] = await launch();
    const job = await claimed();
    await lapse(id);
    const { orders } = await agent.agent.renew.mutate({ machineId, attempts: [fence(job)] });
    expect(orders).toEqual(["continue"]);
    expect(await reap()).toBe(0);
    await finish(job, "SUCCEEDED");
  });

  it("that overruns its limit by 30 s is ended", async () => {
    const [id = ""] = await launch(1, { timeLimitSec: 60 });
    const job = await claimed();
    await start(job);
    const age = (sec: number) => t.db.$executeRaw`UPDATE attempt
      SET "startedAt" = clock_timestamp() - make_interval(secs => ${sec}) WHERE "runId" = ${id}::uuid`;
    await age(80);
    expect(await reap()).toBe(0);
    await age(91);
    expect(await reap()).toBe(1);
    expect(await get(id)).toMatchObject({ state: "TIMED_OUT", failureCode: "TIMED_OUT" });
    expect(await start(job)).toEqual({ order: "stop" });
  });
});

describe("the reaper", () => {
  it("ends nothing before it has seen the database work for one lease period", async () => {
    const [id = ""] = await launch(1, { maxAttempts: 1 });
    await claimed();
    await lapse(id);
    let nowMs = 0;
    const reaper = new Reaper(t.db, () => nowMs);
    for (; nowMs < 15_000; nowMs += 2_000) expect(await reaper.tick()).toBe(0);
    // The process stands still for a minute: it starts to wait anew.
    for (nowMs = 75_000; nowMs < 90_000; nowMs += 2_000) expect(await reaper.tick()).toBe(0);
    expect((await get(id)).state).toBe("CLAIMED");
    expect(await reaper.tick()).toBe(1);
    expect((await get(id)).state).toBe("FAILED");
  });

  it("waits anew after the database was away", async () => {
    const [id = ""] = await launch(1, { maxAttempts: 1 });
    await claimed();
    await lapse(id);
    let nowMs = 0;
    let isAway = false;
    const db = new Proxy(t.db, {
      get: (target, name) => {
        if (isAway) throw new Error("connection refused");
        return Reflect.get(target, name);
      },
    });
    const reaper = new Reaper(db, () => nowMs);
    for (; nowMs < 14_000; nowMs += 2_000) await reaper.tick();
    isAway = true;
    await expect(reaper.tick()).rejects.toThrow("refused");
    isAway = false;
    for (const end = nowMs + 14_000; nowMs < end; nowMs += 2_000) {
      expect(await reaper.tick()).toBe(0);
    }
    nowMs += 2_000;
    expect(await reaper.tick()).toBe(1);
  });

  it("may run on many servers at once", async () => {
    const ids = await launch(5, { maxAttempts: 2 });
    for (const _ of ids) await claimed();
    for (const id of ids) await lapse(id);
    const counts = await Promise.all([reap(), reap(), reap()]);
    expect(counts.reduce((a, b) => a + b)).toBe(5);
    await drain();
    for (const id of ids)
      expect(await get(id)).toMatchObject({ state: "SUCCEEDED", attemptCount: 2 });
  });
});

describe("a run is cancelled", () => {
  const cancel = (runId: string) => t.as("member").run.cancel.mutate({ runId });

  it("at once while it is queued", async () => {
    const [id = ""] = await launch();
    expect(await cancel(id)).toEqual({ state: "CANCELLED" });
    expect(await claim()).toBeNull();
    expect((await get(id)).finishedAt).not.toBeNull();
  });

  it("when it is claimed: the agent is told at its start, and its end counts", async () => {
    const [id = ""] = await launch();
    const job = await claimed();
    expect(await cancel(id)).toEqual({ state: "CANCELLING" });
    expect(await start(job)).toEqual({ order: "cancel" });
    expect(await finish(job, "CANCELLED")).toEqual({ accepted: true, state: "CANCELLED" });
  });

  it("when it is running: renew and report tell the agent", async () => {
    const [id = ""] = await launch();
    const job = await claimed();
    await start(job);
    expect(await cancel(id)).toEqual({ state: "CANCELLING" });
    expect(await cancel(id)).toEqual({ state: "CANCELLING" });
    const renewal = { machineId, attempts: [fence(job)] };
    expect((await agent.agent.renew.mutate(renewal)).orders).toEqual(["cancel"]);
    const empty = { ...fence(job), metrics: [], logs: [], series: [] };
    expect(await agent.agent.report.mutate(empty)).toEqual({ order: "cancel" });
    expect((await finish(job, "CANCELLED")).state).toBe("CANCELLED");
  });

  it("when it ends by itself before the order arrives: the result stays", async () => {
    const [id = ""] = await launch();
    const job = await claimed();
    await start(job);
    await cancel(id);
    expect((await finish(job, "SUCCEEDED")).state).toBe("SUCCEEDED");
  });

  it("when its machine is lost meanwhile, and it is not retried", async () => {
    const [id = ""] = await launch(1, { maxAttempts: 3 });
    const job = await claimed();
    await start(job);
    await cancel(id);
    await lapse(id);
    expect(await reap()).toBe(1);
    expect((await get(id)).state).toBe("CANCELLED");
    expect(await claim()).toBeNull();
  });

  it("without effect when it is over", async () => {
    for (const [state, code] of [["SUCCEEDED"], ["FAILED", "EXPERIMENT_ERROR"]] as const) {
      const [id = ""] = await launch();
      await finish(await claimed(), state, code);
      expect(await cancel(id)).toEqual({ state });
    }
  });
});
