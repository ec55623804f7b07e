import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createDb,
  type Db,
  type MetricChunkInput,
  readMetricChunks,
  refreshMetricSummaries,
  upsertLogChunks,
  upsertMetricChunks,
} from "../src/index.ts";
import { createTestDatabase } from "../src/testing.ts";
import { createAttempt } from "./create-attempt.ts";

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let db: Db;
beforeAll(async () => {
  database = await createTestDatabase();
  db = createDb(database.url);
});
afterAll(async () => {
  await db.$disconnect();
  await database.drop();
});

const chunk = (values: (number | null)[], sealed = false, chunkNo = 0): MetricChunkInput => ({
  key: "loss",
  chunkNo,
  sealed,
  steps: values.map((_, i) => chunkNo * 10 + i),
  values,
  timesMs: values.map((_, i) => i / 8),
});

const readAll = async (attemptId: string, key = "loss") => {
  const range = { attemptId, key, afterChunkNo: -1, limit: 1_000 };
  return (await readMetricChunks(db, range)).flatMap((c) => c.values);
};

describe("metric chunks", () => {
  it("come back bit for bit, with gaps as NaN", async () => {
    const { attemptId } = await createAttempt(db);
    const values = [0.1 + 0.2, -0, 5e-324, 1.7976931348623157e308, null, 1 / 3, Number.NaN];
    await upsertMetricChunks(db, attemptId, [chunk(values)]);
    const expected = values.map((v) => v ?? Number.NaN);
    const stored = await readAll(attemptId);
    expect(stored.map((v, i) => Object.is(v, expected[i]))).toEqual(values.map(() => true));
  });

  it("grow, and ignore a shorter or repeated version", async () => {
    const { attemptId } = await createAttempt(db);
    await upsertMetricChunks(db, attemptId, [chunk([1, 2, 3])]);
    await upsertMetricChunks(db, attemptId, [chunk([1, 2])]);
    await upsertMetricChunks(db, attemptId, [chunk([1, 2, 3])]);
    expect(await readAll(attemptId)).toEqual([1, 2, 3]);
    await upsertMetricChunks(db, attemptId, [chunk([1, 2, 3, 4], true)]);
    await upsertMetricChunks(db, attemptId, [chunk([1, 2, 3, 4, 5])]);
    expect(await readAll(attemptId)).toEqual([1, 2, 3, 4]);
  });

  it("refuse to grow with another beginning", async () => {
    const { attemptId } = await createAttempt(db);
    await upsertMetricChunks(db, attemptId, [chunk([1, null])]);
    await expect(upsertMetricChunks(db, attemptId, [chunk([1, 2, 3])])).rejects.toThrow(
      /may only grow/,
    );
    await upsertMetricChunks(db, attemptId, [chunk([1, null, 3])]);
  });

  it("refuse every update of a sealed one, also by plain SQL", async () => {
    const { attemptId } = await createAttempt(db);
    await upsertMetricChunks(db, attemptId, [chunk([1, 2], true)]);
    await expect(
      db.$executeRaw`UPDATE metric_chunk SET last = 9 WHERE "attemptId" = ${attemptId}::uuid`,
    ).rejects.toThrow(/sealed/);
  });

  it("read only the chunks that touch a range of steps, a page at a time", async () => {
    const { attemptId } = await createAttempt(db);
    const all = [0, 1, 2, 3, 4].map((no) => chunk([no, no], true, no));
    await upsertMetricChunks(db, attemptId, all);
    const range = { attemptId, key: "loss", afterChunkNo: -1, limit: 2, stepMin: 11, stepMax: 40 };
    const first = await readMetricChunks(db, range);
    expect(first.map((c) => c.chunkNo)).toEqual([1, 2]);
    const next = await readMetricChunks(db, { ...range, afterChunkNo: 2 });
    expect(next.map((c) => c.chunkNo)).toEqual([3, 4]);
  });
});

describe("log chunks", () => {
  const line = (text: string) => ({ t: 1.5, level: "info", text });
  it("keep what Postgres cannot hold as replacement characters", async () => {
    const { attemptId } = await createAttempt(db);
    const lines = [line("nul \0 here"), line("half \ud83d pair"), line("whole 😀")];
    await upsertLogChunks(db, attemptId, [{ chunkNo: 0, sealed: false, lines }]);
    const stored = await db.logChunk.findFirstOrThrow({ where: { attemptId } });
    expect(stored.lines).toEqual([
      line("nul \ufffd here"),
      line("half \ufffd pair"),
      line("whole 😀"),
    ]);
    const more = [...lines, line("more")];
    await upsertLogChunks(db, attemptId, [{ chunkNo: 0, sealed: true, lines: more }]);
    await expect(
      db.logChunk.updateMany({ where: { attemptId }, data: { sealed: false } }),
    ).rejects.toThrow(/sealed/);
  });

  it("refuse another beginning", async () => {
    const { attemptId } = await createAttempt(db);
    await upsertLogChunks(db, attemptId, [{ chunkNo: 0, sealed: false, lines: [line("a")] }]);
    const other = { chunkNo: 0, sealed: false, lines: [line("b"), line("c")] };
    await expect(upsertLogChunks(db, attemptId, [other])).rejects.toThrow(/may only grow/);
  });
});

describe("metric summaries", () => {
  it("equal a naive computation for any chunks in any order", async () => {
    const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((v) => v + 0);
    const number = fc.oneof(finite, fc.constant(null));
    const curve = fc.array(number, { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(curve, fc.integer({ min: 1, max: 9 }), fc.infiniteStream(fc.nat()), runOne),
      { numRuns: 15, seed: 20261123 },
    );
  }, 30_000);

  it("survive values at both ends of the number range", async () => {
    const { attemptId, runId } = await createAttempt(db);
    const chunks = [
      chunk([1e308, -1e308, 5e-324, -1.7e308], true),
      chunk([1e-200, 3e-200, 1.7e308], true, 1),
    ];
    await upsertMetricChunks(db, attemptId, chunks);
    await refreshMetricSummaries(db, { runId, attemptId }, ["loss"]);
    const stored = await db.metricSummary.findFirstOrThrow({ where: { runId } });
    expect(stored).toMatchObject({ n: 7, min: -1.7e308, max: 1.7e308, last: 1.7e308, m2: null });
  });

  async function runOne(values: (number | null)[], size: number, luck: Stream) {
    const { attemptId, runId } = await createAttempt(db);
    const batches: MetricChunkInput[] = [];
    for (let from = 0; from < values.length; from += size) {
      const whole = values.slice(from, from + size);
      for (let n = 1; n <= whole.length; n++) {
        const made = chunk(whole.slice(0, n), n === size, from / size);
        batches.push({ ...made, steps: made.values.map((_, i) => from + i) });
      }
    }
    const shuffled = [...batches, ...batches]
      .map((b) => ({ b, at: luck.next().value }))
      .sort((x, y) => x.at - y.at);
    for (const { b } of shuffled) {
      await upsertMetricChunks(db, attemptId, [b]);
      await refreshMetricSummaries(db, { runId, attemptId }, ["loss"]);
    }
    const stored = await db.metricSummary.findFirstOrThrow({ where: { runId } });
    const kept = values.flatMap((v, step) => (v === null ? [] : [{ v, step }]));
    const mean = kept.reduce((sum, p) => sum + p.v, 0) / kept.length;
    const min = Math.min(...kept.map((p) => p.v));
    const max = Math.max(...kept.map((p) => p.v));
    expect(await readAll(attemptId)).toEqual(values.map((v) => v ?? Number.NaN));
    expect(stored).toMatchObject({ n: values.length, gaps: values.length - kept.length });
    if (kept.length === 0) {
      expect(stored).toMatchObject({ last: null, min: null, mean: null, stepOfMin: null });
      return;
    }
    expect(stored).toMatchObject({ last: kept.at(-1)?.v, min, max });
    expect(stored.stepOfMin).toBe(kept.find((p) => p.v === min)?.step);
    expect(stored.stepOfMax).toBe(kept.find((p) => p.v === max)?.step);
    expect(stored.mean).toBeCloseTo(mean, 6);
    const m2 = kept.reduce((sum, p) => sum + (p.v - mean) ** 2, 0);
    expect(Math.abs((stored.m2 ?? 0) - m2)).toBeLessThanOrEqual(1e-9 * Math.max(1, m2));
  }
});

type Stream = { next(): { value: number } };
