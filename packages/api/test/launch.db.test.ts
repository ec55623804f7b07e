import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestPlatform, type TestPlatform } from "../src/testing.ts";
import { facts, registration, reproduction, testExperiments } from "./definitions.ts";

let t: TestPlatform;
let machineId: string;
beforeAll(async () => {
  t = await startTestPlatform({ experiments: testExperiments, background: false });
});
afterAll(() => t.stop());

const base = () => ({ projectId: t.projectId, kind: "test.curve", seeds: [1] });
const create = (more: Record<string, unknown> = {}) =>
  t.as("member").run.create.mutate({ ...base(), ...more });
const failureOf = (code: string) => ({ data: { failure: { code } } });

describe("before any machine is registered", () => {
  it("a launch says how to start one, and the form shows it", async () => {
    await expect(create()).rejects.toMatchObject(failureOf("NO_MACHINE"));
    await expect(create()).rejects.toThrow("fmlab agent");
    const form = await t.as("viewer").experiment.get.query(base());
    expect(form.machines).toBe(0);
    expect(form.availability[0]).toMatchObject({ preset: "quick", ok: false });
  });
});

describe("with a machine", () => {
  beforeAll(async () => {
    const agent = t.withToken(t.agentToken).agent;
    const bare = registration("bare", { capabilities: [] });
    ({ machineId } = await agent.register.mutate(bare));
  });

  it("the form has schema, defaults, presets and what is missing for each", async () => {
    const form = await t.as("viewer").experiment.get.query(base());
    expect(form.jsonSchema).toMatchObject({ properties: { steps: { default: 10, maximum: 1e6 } } });
    expect(form.defaults).toEqual({ steps: 10, file: "", memoryBytes: 0, device: "cpu" });
    expect(form.presets.model?.config).toMatchObject({ file: "tiny.gguf", steps: 10 });
    expect(form.availability).toMatchObject([
      { preset: "quick", ok: true },
      {
        preset: "model",
        ok: false,
        missingFiles: [{ path: "tiny.gguf", source: "our own", licence: "CC0" }],
      },
    ]);
    expect(form.machines).toBe(1);
  });

  it("a missing file is named with its source and licence", async () => {
    await expect(create({ preset: "model" })).rejects.toMatchObject(failureOf("MISSING_FILES"));
    await expect(create({ preset: "model" })).rejects.toThrow(
      /tiny.gguf \(from our own, licence CC0\)/,
    );
    const agent = t.withToken(t.agentToken).agent;
    await agent.register.mutate(registration("bare"));
    expect((await create({ preset: "model" })).runs).toHaveLength(1);
  });

  it.each([
    ["a GPU", { device: "gpu" }, /bare lacks gpu/],
    ["memory", { memoryBytes: 2 ** 40 }, /bare has 8.0 GiB of memory, 1024.0 GiB/],
  ])("that lacks %s, a launch says so", async (_, config, message) => {
    await expect(create({ config })).rejects.toThrow(message);
    const checked = await t.as("viewer").experiment.check.query({
      projectId: t.projectId,
      kind: "test.curve",
      config,
    });
    expect(checked).toMatchObject({ ok: false, runnableOn: [] });
    expect(checked.problems[0]?.message).toMatch(message);
  });

  it("a wrong config is told field by field, in the check as in the launch", async () => {
    const config = { steps: 0, device: "tpu", stepz: 3 };
    await expect(create({ config })).rejects.toMatchObject(failureOf("BAD_CONFIG"));
    const { projectId, kind } = base();
    const checked = await t.as("viewer").experiment.check.query({ projectId, kind, config });
    expect(checked.ok).toBe(false);
    expect(checked.problems.map((p) => p.path).sort()).toEqual(["device", "steps", "stepz"]);
    const right = await t.as("viewer").experiment.check.query({ projectId, kind, config: {} });
    expect(right).toMatchObject({ ok: true, problems: [], runnableOn: ["bare"] });
  });

  it.each([
    "/etc/passwd",
    "../up.gguf",
    "a/../../b",
    "a\\b",
    "C:/x",
    "a\0b",
    "\\\\host\\share",
    " ",
  ])("the path %j is refused", async (file) => {
    await expect(create({ config: { file } })).rejects.toMatchObject(failureOf("FORBIDDEN_PATH"));
  });

  it("an unknown experiment, preset or revision is told with what there is", async () => {
    await expect(create({ kind: "test.none" })).rejects.toThrow(/it has test.curve/);
    await expect(create({ preset: "none" })).rejects.toThrow(/it has quick, model/);
    const configRevisionId = "00000000-0000-4000-8000-000000000000";
    await expect(create({ configRevisionId })).rejects.toThrow(/there is no config revision/);
  });

  it("a launch is limited in runs and in bytes of config", async () => {
    const seeds = Array.from({ length: 600 }, (_, i) => i);
    await expect(create({ seeds, repeats: 2 })).rejects.toThrow(/at most 1,000/);
    const config = { file: "x".repeat(1_000_001) };
    await expect(create({ config })).rejects.toMatchObject(failureOf("LIMIT_EXCEEDED"));
  });

  it("repeats make several runs of a seed, and all share launch and config", async () => {
    const { launchId, runs } = await create({ seeds: [3, 4], repeats: 2 });
    expect(runs.map((r) => r.seed).sort()).toEqual([3, 3, 4, 4]);
    const rows = await t.db.run.findMany({ where: { launchId } });
    expect(new Set(rows.map((r) => r.configHash)).size).toBe(1);
    expect(rows[0]).toMatchObject({ fidelity: "simulated", definitionVersion: 2, maxAttempts: 3 });
  });

  it("an agent of another protocol or definition version is told both and the fix", async () => {
    const agent = t.withToken(t.agentToken).agent;
    const register = (more: object) => agent.register.mutate(registration("bare", { ...more }));
    await expect(register({ protocolVersion: 7 })).rejects.toThrow(
      /speaks protocol 7, the server 1; .*restart the agent/,
    );
    await expect(register({ definitions: { "test.curve": 1 } })).rejects.toMatchObject({
      message: expect.stringMatching(/version 1 of test.curve, the server 2/),
      data: { code: "PRECONDITION_FAILED", failure: { code: "VERSION_MISMATCH" } },
    });
    const same = await register({ definitions: { "test.curve": 2, "test.unknown": 5 } });
    expect(same.machineId).toBe(machineId);
  });

  it("a queued run tells its position and what it waits for", async () => {
    await t.db.run.deleteMany();
    const first = (await create()).runs[0]?.id ?? "";
    const second = (await create()).runs[0]?.id ?? "";
    const queueOf = async (runId: string) => (await t.as("viewer").run.get.query({ runId })).queue;
    expect(await queueOf(first)).toEqual({ position: 1, waitingFor: null });
    expect(await queueOf(second)).toEqual({ position: 2, waitingFor: null });
    await t.db.machine.updateMany({ data: { capabilities: [], memoryBytes: 1 } });
    await t.db.run.update({ where: { id: first }, data: { requiredTags: ["gpu"] } });
    expect((await queueOf(first))?.waitingFor).toBe("bare lacks gpu");
    await t.db
      .$executeRaw`UPDATE machine SET "lastSeenAt" = clock_timestamp() - interval '1 minute'`;
    expect((await queueOf(first))?.waitingFor).toContain("no machine is online");
    const agent = t.withToken(t.agentToken).agent;
    await agent.register.mutate(registration("bare"));
    const machines = await t.as("viewer").machine.list.query({ organizationId: t.organizationId });
    expect(machines).toMatchObject([{ name: "bare", online: true, facts, running: [] }]);
  });
});

describe("configs", () => {
  const save = (config: object, more: object = {}) =>
    t.as("member").config.save.mutate({
      projectId: t.projectId,
      kind: "test.curve",
      name: "mine",
      config: { ...config },
      message: "why",
      ...more,
    });

  it("are saved as numbered revisions, and launched by them", async () => {
    const first = await save({ steps: 5 });
    const second = await save({ steps: 6 }, { parentId: first.revisionId });
    expect([first.number, second.number]).toEqual([1, 2]);
    const { configId } = first;
    const history = await t.as("viewer").config.history.query({ configId });
    expect(history).toMatchObject([
      { number: 2, parentId: first.revisionId, config: { steps: 6 }, authorName: "member" },
      { number: 1, parentId: null, config: { steps: 5, device: "cpu" }, message: "why" },
    ]);
    const { runs } = await create({ configRevisionId: first.revisionId });
    const run = await t.as("viewer").run.get.query({ runId: runs[0]?.id ?? "" });
    expect(run).toMatchObject({ config: { steps: 5 }, configName: "mine", configNumber: 1 });
    const [listed] = await t.as("viewer").config.list.query({ projectId: t.projectId });
    expect(listed).toMatchObject({ name: "mine", latest: { number: 2 }, revisionCount: 2 });
    const revision = { revisionId: second.revisionId };
    expect(await t.as("viewer").config.revision.query(revision)).toMatchObject({
      name: "mine",
      number: 2,
      kind: "test.curve",
    });
  });

  it("saved by two on the same parent: the second is told who was first", async () => {
    const { revisionId } = await save({ steps: 7 });
    const both = await Promise.allSettled([
      save({ steps: 8 }, { parentId: revisionId }),
      save({ steps: 9 }, { parentId: revisionId }),
    ]);
    const refused = both.find((r) => r.status === "rejected");
    expect(both.filter((r) => r.status === "fulfilled")).toHaveLength(1);
    expect(refused?.reason).toMatchObject(failureOf("REVISION_CONFLICT"));
    expect(refused?.reason.message).toMatch(/member saved revision \d+ of "mine" meanwhile/);
  });
});

describe("run.list", () => {
  const query = (more: object = {}) =>
    t.as("viewer").run.list.query({ projectId: t.projectId, columns: ["loss"], ...more });
  beforeAll(async () => {
    await t.db.run.deleteMany();
    const agent = t.withToken(t.agentToken).agent;
    const seeds = Array.from({ length: 25 }, (_, i) => i);
    await create({ seeds });
    for (const _ of seeds.slice(0, 20)) {
      const job = await agent.claim.mutate({ machineId });
      if (job === null) throw new Error("nothing to claim");
      const { runId, attemptNumber, seed } = job;
      const fence = { runId, attemptNumber };
      await agent.start.mutate({ ...fence, reproduction });
      // Seeds 0 and 10 have equal values; every third has none.
      const points = { steps: [0], values: [seed % 10], timesMs: [0] };
      const metrics = [{ key: "loss", chunkNo: 0, sealed: true, ...points }];
      await agent.report.mutate({
        ...fence,
        metrics: seed % 3 === 2 ? [] : metrics,
        logs: [],
        series: [],
      });
      await agent.finish.mutate({
        ...fence,
        state: seed % 2 === 0 ? "SUCCEEDED" : "FAILED",
        failure: seed % 2 === 0 ? null : { code: "EXPERIMENT_ERROR", message: `100%_odd ${seed}` },
        summary: null,
        fidelity: "simulated",
        reproduction,
      });
    }
  });

  const allPages = async (more: object) => {
    const rows = [];
    let cursor: string | null | undefined;
    do {
      const page = await query({ ...more, limit: 4, cursor });
      rows.push(...page.rows);
      cursor = page.nextCursor;
    } while (cursor);
    return rows;
  };

  it.each([
    "createdAt",
    "startedAt",
    "finishedAt",
    "seed",
    "state",
    "kind",
    "preset",
    "machineName",
    "metric:loss",
    "priority",
    "attemptCount",
    "configName",
    "createdByName",
  ])("pages through all rows once, sorted by %s, both ways", async (by) => {
    for (const dir of ["asc", "desc"] as const) {
      const rows = await allPages({ sort: { by, dir } });
      expect(new Set(rows.map((r) => r.id)).size).toBe(25);
      const whole = await query({ sort: { by, dir }, limit: 200 });
      expect(rows.map((r) => r.id)).toEqual(whole.rows.map((r) => r.id));
    }
  });

  it("sorts by a metric with runs that lack it last, in either direction", async () => {
    for (const dir of ["asc", "desc"] as const) {
      const { rows } = await query({ sort: { by: "metric:loss", dir } });
      const values = rows.map((r) => r.metrics.loss?.last);
      const present = values.filter((v) => v !== undefined);
      expect(present).toHaveLength(14);
      expect(values.slice(14)).toEqual(new Array(11).fill(undefined));
      const sorted = [...present].sort((a, b) => ((a ?? 0) - (b ?? 0)) * (dir === "asc" ? 1 : -1));
      expect(present).toEqual(sorted);
    }
  });

  it("filters by state, launch, search words and counts what it found", async () => {
    const failed = await query({ filter: { states: ["FAILED"] }, limit: 3 });
    expect(failed.total).toEqual({ count: 10, capped: false });
    expect(failed.rows).toHaveLength(3);
    expect((await query({ filter: { search: "100%_odd seed=7" } })).rows).toMatchObject([
      { seed: 7 },
    ]);
    expect((await query({ filter: { search: "100_%odd" } })).rows).toEqual([]);
    expect((await query({ filter: { search: "BARE experiment_error" } })).total.count).toBe(10);
    const [row] = failed.rows;
    expect((await query({ filter: { kinds: ["test.other"] } })).rows).toEqual([]);
    expect(row).toMatchObject({
      title: "A curve",
      machineName: "bare",
      createdByName: "member",
      failureCode: "EXPERIMENT_ERROR",
      durationMs: expect.any(Number),
    });
  });

  it("shows only the metrics that are asked for", async () => {
    const { rows } = await query({ columns: [], filter: { states: ["SUCCEEDED"] } });
    expect(rows.every((r) => Object.keys(r.metrics).length === 0)).toBe(true);
  });

  it("refuses a sort or cursor that it does not know", async () => {
    await expect(query({ sort: { by: "r.id; drop", dir: "asc" } })).rejects.toThrow(
      /sort by one of/,
    );
    await expect(query({ cursor: "what" })).rejects.toThrow(/start from the beginning/);
  });

  it.each([
    ["createdAt", "notadate"],
    ["createdAt", "2026-02-30 00:00:00+00"],
    ["createdAt", "2026-01-01 00:00:00+99"],
    ["seed", "many"],
    ["seed", "1e400"],
    ["seed", "1e-400"],
    ["kind", "a\0b"],
  ])("refuses a cursor of the sort by %s whose value is %j", async (by, value) => {
    const cursor = JSON.stringify([value, "0198c0de-0000-7000-8000-000000000000"]);
    const refused = query({ sort: { by, dir: "asc" }, cursor });
    await expect(refused).rejects.toMatchObject(failureOf("BAD_REQUEST"));
  });

  it.each([
    { sort: { by: "metric:a\0b", dir: "asc" } },
    { columns: ["a\0b"] },
    { filter: { kinds: ["a\0b"] } },
    { filter: { configHash: "a\0b" } },
  ])("refuses a text that Postgres cannot hold, and says which: %j", async (more) => {
    await expect(query(more)).rejects.toMatchObject({ data: { httpStatus: 400 } });
    await expect(query(more)).rejects.toThrow(/^✖ holds a NUL character.*\n {2}→ at (\w|\.|\[)+/);
  });

  it("refuses such a text and too great a number also elsewhere", async () => {
    const { projectId, organizationId } = t;
    const viewer = t.as("viewer");
    const [runId = ""] = (await query({})).rows.map((r) => r.id);
    const kind = "a\0b";
    const answers = await Promise.allSettled([
      viewer.config.list.query({ projectId, kind }),
      viewer.project.list.query({ organizationId: kind }),
      viewer.machine.list.query({ organizationId: organizationId + kind }),
      viewer.run.series.query({ runId, name: kind }),
      viewer.run.metrics.query({ runId, keys: [kind] }),
      viewer.run.metrics.query({ runId, attempt: 2 ** 31 }),
      t.as("owner").member.remove.mutate({ organizationId, userId: kind }),
      t.withToken(t.agentToken).agent.register.mutate(registration(kind)),
    ]);
    const refused = { status: "rejected", reason: { data: { httpStatus: 400 } } };
    expect(answers).toMatchObject(answers.map(() => refused));
  });

  it("run.stats counts by state", async () => {
    const stats = await t.as("viewer").run.stats.query({ projectId: t.projectId });
    expect(stats.byState).toMatchObject({ QUEUED: 5, SUCCEEDED: 10, FAILED: 10, RUNNING: 0 });
    expect(stats.running).toEqual([]);
  });

  it("run.retry queues a new run of the same config and seed, and the old one stays", async () => {
    const { rows } = await query({ filter: { search: "seed=7" } });
    const runId = rows[0]?.id ?? "";
    const { id } = await t.as("member").run.retry.mutate({ runId });
    const [old, fresh] = [
      await t.as("viewer").run.get.query({ runId }),
      await t.as("viewer").run.get.query({ runId: id }),
    ];
    expect(fresh).toMatchObject({ state: "QUEUED", seed: 7, configHash: old.configHash });
    expect(old.state).toBe("FAILED");
    await t.as("member").run.annotate.mutate({ runId, note: "kept" });
    expect((await t.as("viewer").run.get.query({ runId })).note).toBe("kept");
    await expect(t.as("admin").run.remove.mutate({ runId: id })).rejects.toThrow(/cancel it first/);
    await t.as("admin").run.remove.mutate({ runId });
    await expect(t.as("viewer").run.get.query({ runId })).rejects.toThrow(/there is no run/);
  });
});
