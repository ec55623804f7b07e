import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Job, MetricBatch, Report } from "../src/protocol.ts";
import { startTestPlatform, type TestPlatform } from "../src/testing.ts";
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

async function runningJob(): Promise<Job> {
  const input = { projectId: t.projectId, kind: "test.curve", seeds: [7] };
  await t.as("member").run.create.mutate(input);
  const job = await agent.agent.claim.mutate({ machineId });
  if (job === null) throw new Error("nothing to claim");
  const { runId, attemptNumber } = job;
  await agent.agent.start.mutate({ runId, attemptNumber, reproduction });
  return job;
}

const report = (job: Job, parts: Partial<Report>) =>
  agent.agent.report.mutate({
    runId: job.runId,
    attemptNumber: job.attemptNumber,
    metrics: [],
    logs: [],
    series: [],
    ...parts,
  });
const points = (values: (number | null)[], more: Partial<MetricBatch> = {}): MetricBatch => ({
  key: "loss",
  chunkNo: 0,
  sealed: false,
  steps: values.map((_, i) => (more.chunkNo ?? 0) * 1000 + i),
  values,
  timesMs: values.map((_, i) => i),
  ...more,
});
const line = (text: string) => ({ t: 1, level: "info" as const, text });
const curveOf = async (runId: string, key = "loss") => {
  const all = await t.as("viewer").run.metrics.query({ runId, keys: [key], buckets: 1_000 });
  return all[0];
};

describe("a run's result", () => {
  const finish = (job: Job, summary: Record<string, unknown>) =>
    agent.agent.finish.mutate({
      runId: job.runId,
      attemptNumber: job.attemptNumber,
      state: "SUCCEEDED",
      failure: null,
      summary,
      fidelity: "measured",
      reproduction,
    });

  it("is what its summary says of a metric; without one, the last point", async () => {
    const job = await runningJob();
    await report(job, { metrics: [points([9, 1]), points([4, 5], { key: "other" })] });
    await finish(job, { loss: 6.5, other: "high", text: "no metric" });
    const { metrics } = await t.as("viewer").run.get.query({ runId: job.runId });
    expect(metrics.loss).toMatchObject({ value: 6.5, last: 1 });
    expect(metrics.other).toMatchObject({ value: 5, last: 5 });
  });

  it("is what the runs table sorts by", async () => {
    const ids: string[] = [];
    for (const [last, result] of [
      [1, 20],
      [2, 10],
    ] as const) {
      const job = await runningJob();
      await report(job, { metrics: [points([last], { key: "sorted" })] });
      await finish(job, { sorted: result });
      ids.push(job.runId);
    }
    const { rows } = await t.as("viewer").run.list.query({
      projectId: t.projectId,
      sort: { by: "metric:sorted", dir: "asc" },
      limit: 2,
    });
    expect(rows.map(({ id }) => id)).toEqual(ids.reverse());
  });
});

describe("a report", () => {
  it("sent twice counts once, with its gaps", async () => {
    const job = await runningJob();
    const parts = {
      metrics: [points([1, null, 3])],
      logs: [{ chunkNo: 0, sealed: false, lines: [line("a"), line("b")] }],
      series: [{ name: "out", version: 1, data: { kind: "text" as const, blocks: [] } }],
      progress: { done: 3, total: 10, label: "three" },
    };
    expect(await report(job, parts)).toEqual({ order: "continue" });
    expect(await report(job, parts)).toEqual({ order: "continue" });
    const run = await t.as("viewer").run.get.query({ runId: job.runId });
    expect(run.metrics).toEqual({ loss: { n: 3, value: 3, last: 3, min: 1, max: 3, mean: 2 } });
    expect(run.progress).toEqual({ done: 3, total: 10, label: "three" });
    expect(await curveOf(job.runId)).toMatchObject({ n: 3, gaps: 1, raw: true });
    const logs = await t.as("viewer").run.logs.query({ runId: job.runId });
    expect(logs.lines.map((l) => [l.no, l.text])).toEqual([
      [1, "a"],
      [2, "b"],
    ]);
  });

  it("any order and repetition leave exactly the points, lines and summary", async () => {
    const value = fc.option(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { freq: 8 });
    const property = fc.asyncProperty(
      fc.array(value, { minLength: 1, maxLength: 30 }),
      fc.array(fc.nat(), { minLength: 60, maxLength: 60 }),
      async (values, luck) => {
        const job = await runningJob();
        const reports: Partial<Report>[] = [];
        for (let from = 0; from < values.length; from += 10) {
          const whole = values.slice(from, from + 10);
          for (let n = 1; n <= whole.length; n += 3) {
            const lines = whole.slice(0, n).map((_, i) => line(`line ${from + i}`));
            const at = { chunkNo: from / 10, sealed: false };
            reports.push({
              metrics: [points(whole.slice(0, n), { ...at, steps: lines.map((_, i) => from + i) })],
              logs: [{ ...at, lines }],
            });
          }
          const lines = whole.map((_, i) => line(`line ${from + i}`));
          const at = { chunkNo: from / 10, sealed: true };
          reports.push({
            metrics: [points(whole, { ...at, steps: whole.map((_, i) => from + i) })],
            logs: [{ ...at, lines }],
          });
        }
        const order = [...reports, ...reports]
          .map((parts, i) => ({ parts, at: luck[i % luck.length] ?? 0 }))
          .sort((a, b) => a.at - b.at);
        for (const { parts } of order) await report(job, parts);
        const curve = await curveOf(job.runId);
        expect(curve?.points.map((p) => [p.x, p.last])).toEqual(values.map((v, i) => [i, v]));
        const kept = values.filter((v) => v !== null);
        const { metrics } = await t.as("viewer").run.get.query({ runId: job.runId });
        expect(metrics.loss?.n).toBe(values.length);
        expect(curve?.gaps).toBe(values.length - kept.length);
        expect(metrics.loss?.last).toBe(kept.at(-1) ?? null);
        expect(metrics.loss?.max).toBe(kept.length > 0 ? Math.max(...kept) : null);
        const stored = await t.db.logChunk.findMany({ where: { attemptId: job.attemptId } });
        expect(stored.reduce((sum, c) => sum + c.n, 0)).toBe(values.length);
      },
    );
    await fc.assert(property, { numRuns: 6, seed: 20261123 });
  }, 40_000);

  it("is refused as a whole when a stored chunk comes with another beginning", async () => {
    const job = await runningJob();
    await report(job, { metrics: [points([1, 2])] });
    const changed = report(job, { metrics: [points([1, 3, 4]), points([5], { key: "other" })] });
    await expect(changed).rejects.toMatchObject({ data: { failure: { code: "CHUNK_CHANGED" } } });
    expect(await curveOf(job.runId, "other")).toBeUndefined();
    expect((await curveOf(job.runId))?.n).toBe(2);
  });

  it("may name 500 metric keys in a run and not one more", async () => {
    const job = await runningJob();
    const keys = Array.from({ length: 500 }, (_, i) => points([i], { key: `k${i}` }));
    await report(job, { metrics: keys });
    await expect(report(job, { metrics: [points([1], { key: "k500" })] })).rejects.toMatchObject({
      message: expect.stringContaining("at most 500"),
      data: { failure: { code: "LIMIT_EXCEEDED", allowed: 500, got: 501 } },
    });
    await report(job, { metrics: [points([0, 1], { key: "k0" })] });
    const found = await t.as("viewer").run.metricKeys.query({ projectId: t.projectId });
    expect(found).toHaveLength(500);
    expect(found.find((k) => k.key === "loss")).toMatchObject({ unit: "nat", better: "lower" });
  });

  it("replaces a series only by a newer version", async () => {
    const job = await runningJob();
    const text = (version: number, text: string) => ({
      name: "out",
      version,
      data: { kind: "text" as const, blocks: [{ title: "T", text }] },
    });
    await report(job, { series: [text(2, "two")] });
    await report(job, { series: [text(1, "one")] });
    await report(job, { series: [text(2, "also two")] });
    const { runId } = job;
    const out = await t.as("viewer").run.series.query({ runId, name: "out" });
    expect(out).toMatchObject({ version: 2, data: { blocks: [{ text: "two", prompt: "" }] } });
    expect(await t.as("viewer").run.seriesNames.query({ runId })).toEqual([
      { name: "out", kind: "text", version: 2 },
    ]);
    expect(await t.as("viewer").run.series.query({ runId, name: "none" })).toBeNull();
  });

  it("with characters that Postgres cannot hold is kept all the same", async () => {
    const job = await runningJob();
    await report(job, {
      logs: [{ chunkNo: 0, sealed: false, lines: [line("nul \0 and \ud800")] }],
      series: [
        { name: "out", version: 1, data: { kind: "text", blocks: [{ title: "\0", text: "x" }] } },
      ],
      progress: { done: 1, total: 1, label: "\0" },
    });
    const { lines } = await t.as("viewer").run.logs.query({ runId: job.runId });
    expect(lines[0]?.text).toBe("nul \ufffd and \ufffd");
  });
});

describe("a long curve", () => {
  const n = 25_000;
  const value = (i: number) => (i === 12_345 ? 99 : i === 777 ? -99 : Math.sin(i / 500));
  let runId: string;
  beforeAll(async () => {
    const job = await runningJob();
    runId = job.runId;
    const metrics = Array.from({ length: n / 1000 }, (_, chunkNo) =>
      points(
        Array.from({ length: 1000 }, (_, i) => value(chunkNo * 1000 + i)),
        { chunkNo, sealed: true },
      ),
    );
    await report(job, { metrics });
  });

  it("is drawn in buckets with first and last point and no extreme lost", async () => {
    const ask = () => t.as("viewer").run.metrics.query({ runId, buckets: 100 });
    const [curve] = await ask();
    const drawn = curve?.points ?? [];
    expect(curve).toMatchObject({ n, raw: false, gaps: 0 });
    expect(drawn).toHaveLength(100);
    expect(drawn[0]).toMatchObject({ x: 0, last: 0, n: 1 });
    expect(drawn.at(-1)).toMatchObject({ x: n - 1, last: value(n - 1), n: 1 });
    expect(Math.max(...drawn.map((p) => p.max ?? 0))).toBe(99);
    expect(Math.min(...drawn.map((p) => p.min ?? 0))).toBe(-99);
    expect(drawn.reduce((sum, p) => sum + p.n, 0)).toBe(n);
    for (const p of drawn) expect(p.last).toBe(value(p.x));
    expect(await ask()).toEqual([curve]);
  });

  it("shows its raw points in a narrow window", async () => {
    const query = { runId, buckets: 600, xMin: 12_300, xMax: 12_399 };
    const [curve] = await t.as("viewer").run.metrics.query(query);
    expect(curve).toMatchObject({ n: 100, raw: true });
    expect(curve?.points[45]).toEqual({ x: 12_345, last: 99, min: 99, max: 99, n: 1 });
  });
});

describe("a log", () => {
  it("is read by line number, from its end, and by search", async () => {
    const job = await runningJob();
    const { runId } = job;
    const lines = Array.from({ length: 2_500 }, (_, i) => line(`step ${i + 1} 50%_done`));
    await report(job, {
      logs: [0, 1, 2].map((chunkNo) => ({
        chunkNo,
        sealed: chunkNo < 2,
        lines: lines.slice(chunkNo * 1000, chunkNo * 1000 + 1000),
      })),
    });
    const logs = t.as("viewer").run.logs;
    const page = await logs.query({ runId, afterLine: 998, limit: 4 });
    expect(page.lines.map((l) => l.no)).toEqual([999, 1000, 1001, 1002]);
    expect(page).toMatchObject({ nextLine: 1002, total: 2_500, attempt: 1 });
    const tail = await logs.query({ runId, tail: true, limit: 2 });
    expect(tail.lines.map((l) => l.text)).toEqual(["step 2499 50%_done", "step 2500 50%_done"]);
    const found = await logs.query({ runId, search: "STEP 77", limit: 3 });
    expect(found.lines.map((l) => l.no)).toEqual([77, 770, 771]);
    expect((await logs.query({ runId, search: "50%_" })).lines).toHaveLength(500);
    expect((await logs.query({ runId, search: "50_%" })).lines).toEqual([]);
    expect((await logs.query({ runId, afterLine: 2_500 })).nextLine).toBe(2_500);
  });
});

describe("sync.import", () => {
  const folder = () => ({
    projectId: t.projectId,
    record: {
      format: 1 as const,
      runId: randomUUID(),
      kind: "test.gone",
      definitionVersion: 9,
      preset: "old",
      config: { a: 1 },
      seed: 3,
      fidelity: "measured" as const,
      state: "SUCCEEDED" as const,
      failure: null,
      startedAt: "2026-02-01T10:00:00.000Z",
      finishedAt: "2026-02-01T10:00:02.500Z",
      ...reproduction,
    },
    summary: { answer: 1 },
    metrics: [points([4, 2])],
    logs: [{ chunkNo: 0, sealed: true, lines: [line("done")] }],
    series: [],
  });

  it("stores a run folder once, however often and at the same time", async () => {
    const input = folder();
    const send = () => t.withToken(t.cliToken).sync.import.mutate(input);
    const all = await Promise.all([send(), send(), send()]);
    expect(all.filter((r) => r.created)).toHaveLength(1);
    expect(new Set(all.map((r) => r.runId)).size).toBe(1);
    expect((await send()).created).toBe(false);
    const runId = all[0]?.runId ?? "";
    const run = await t.as("viewer").run.get.query({ runId });
    expect(run).toMatchObject({
      state: "SUCCEEDED",
      durationMs: 2_500,
      machineName: "Test CPU",
      definition: null,
      metrics: { loss: { n: 2, last: 2, max: 4 } },
      summary: { answer: 1 },
    });
    expect(run.attempts[0]).toMatchObject({ reproduction: { machine: { cpuCount: 2 } } });
    expect((await curveOf(runId))?.n).toBe(2);
    expect(await agent.agent.claim.mutate({ machineId })).toBeNull();
  });

  it.each([{ kind: "a\0b" }, { preset: "a\0b" }, { definitionVersion: 2 ** 31 }])(
    "refuses what the database cannot hold: %j",
    async (more) => {
      const input = folder();
      const bad = { ...input, record: { ...input.record, ...more } };
      const refused = t.withToken(t.cliToken).sync.import.mutate(bad);
      await expect(refused).rejects.toMatchObject({ data: { httpStatus: 400 } });
    },
  );
});
