import { type CurveSummary, combineSummaries, summariseChunk } from "./chunk-summary.ts";
import type { Tx } from "./create-db.ts";

/** Points `0..n-1` of chunk `chunkNo` of one curve; null, NaN and infinities are gaps. */
export interface MetricChunkInput {
  key: string;
  chunkNo: number;
  sealed: boolean;
  steps: readonly number[];
  values: readonly (number | null)[];
  timesMs: readonly number[];
}

/** A stored chunk as the readers get it; a gap is NaN. */
export interface StoredMetricChunk {
  chunkNo: number;
  n: number;
  steps: number[];
  values: number[];
}

/**
 * Stores chunks, each at most once: a chunk replaces a stored one only when it is a longer version
 * of it, or seals it. Any order and repetition of calls leaves the same rows.
 *
 * @param tx a transaction in which the caller has checked the fence
 */
export async function upsertMetricChunks(
  tx: Tx,
  attemptId: string,
  chunks: readonly MetricChunkInput[],
): Promise<void> {
  const rows = longestOfEach(
    chunks,
    (c) => `${c.chunkNo} ${c.key}`,
    (c) => c.steps.length,
  );
  if (rows.length === 0) return;
  const columns = rows.map((chunk) => {
    const values = chunk.values.map((v) => (v === null || !Number.isFinite(v) ? Number.NaN : v));
    return { ...chunk, values, ...summariseChunk(chunk.steps, values) };
  });
  const numbers = (name: (typeof SUMMARY_COLUMNS)[number]) =>
    columns.map((c) => (c[name] === null ? null : String(c[name])));
  await tx.$executeRaw`
    INSERT INTO metric_chunk ("attemptId", key, "chunkNo", n, sealed, steps, "values", "timesMs",
      gaps, "stepMin", "stepMax", last, min, max, mean, m2, "stepOfMin", "stepOfMax")
    SELECT ${attemptId}::uuid, u.key, u.no::int, cardinality(u.steps::float8[]), u.sealed::boolean,
      u.steps::float8[], u."values"::float8[], u.times::float8[], u.gaps::int, u.a::float8,
      u.b::float8, u.c::float8, u.d::float8, u.e::float8, u.f::float8, u.g::float8, u.h::float8,
      u.i::float8
    FROM unnest(${columns.map((c) => c.key)}::text[], ${columns.map((c) => String(c.chunkNo))}::text[],
      ${columns.map((c) => String(c.sealed))}::text[], ${columns.map((c) => literal(c.steps))}::text[],
      ${columns.map((c) => literal(c.values))}::text[],
      ${columns.map((c) => literal(c.timesMs))}::text[], ${numbers("gaps")}::text[],
      ${numbers("stepMin")}::text[], ${numbers("stepMax")}::text[], ${numbers("last")}::text[],
      ${numbers("min")}::text[], ${numbers("max")}::text[], ${numbers("mean")}::text[],
      ${numbers("m2")}::text[], ${numbers("stepOfMin")}::text[], ${numbers("stepOfMax")}::text[])
      AS u(key, no, sealed, steps, "values", times, gaps, a, b, c, d, e, f, g, h, i)
    ON CONFLICT ("attemptId", key, "chunkNo") DO UPDATE SET n = excluded.n,
      sealed = excluded.sealed, steps = excluded.steps, "values" = excluded."values",
      "timesMs" = excluded."timesMs", gaps = excluded.gaps, "stepMin" = excluded."stepMin",
      "stepMax" = excluded."stepMax", last = excluded.last, min = excluded.min,
      max = excluded.max, mean = excluded.mean, m2 = excluded.m2,
      "stepOfMin" = excluded."stepOfMin", "stepOfMax" = excluded."stepOfMax"
    WHERE NOT metric_chunk.sealed AND (excluded.n > metric_chunk.n
      OR (excluded.n = metric_chunk.n AND excluded.sealed))`;
}

const SUMMARY_COLUMNS = [
  "gaps",
  "stepMin",
  "stepMax",
  "last",
  "min",
  "max",
  "mean",
  "m2",
  "stepOfMin",
  "stepOfMax",
] as const;

/**
 * Recomputes the run's summaries of `keys` from the attempt's chunks. A function of the stored
 * chunks alone (added up in chunk order), hence the same whatever order they came in.
 */
export async function refreshMetricSummaries(
  tx: Tx,
  run: { runId: string; attemptId: string },
  keys: readonly string[],
): Promise<void> {
  if (keys.length === 0) return;
  const chunks = await tx.metricChunk.findMany({
    where: { attemptId: run.attemptId, key: { in: [...new Set(keys)] } },
    orderBy: [{ key: "asc" }, { chunkNo: "asc" }],
    omit: { steps: true, values: true, timesMs: true },
  });
  const byKey = new Map<string, typeof chunks>();
  for (const chunk of chunks) {
    const ofKey = byKey.get(chunk.key);
    if (ofKey) ofKey.push(chunk);
    else byKey.set(chunk.key, [chunk]);
  }
  const rows = [...byKey].map(([key, ofKey]) => ({ key, ...combineSummaries(ofKey) }));
  const texts = (name: keyof CurveSummary) =>
    rows.map((r) => (r[name] === null ? null : String(r[name])));
  await tx.$executeRaw`
    INSERT INTO metric_summary ("runId", key, n, gaps, last, min, max, mean, m2, "stepOfMin", "stepOfMax")
    SELECT ${run.runId}::uuid, u.key, u.n::int, u.gaps::int, u.a::float8, u.b::float8, u.c::float8,
      u.d::float8, u.e::float8, u.f::float8, u.g::float8
    FROM unnest(${rows.map((r) => r.key)}::text[], ${texts("n")}::text[], ${texts("gaps")}::text[],
      ${texts("last")}::text[], ${texts("min")}::text[], ${texts("max")}::text[],
      ${texts("mean")}::text[], ${texts("m2")}::text[], ${texts("stepOfMin")}::text[],
      ${texts("stepOfMax")}::text[]) AS u(key, n, gaps, a, b, c, d, e, f, g)
    ON CONFLICT ("runId", key) DO UPDATE SET n = excluded.n, gaps = excluded.gaps,
      last = excluded.last, min = excluded.min, max = excluded.max, mean = excluded.mean,
      m2 = excluded.m2, "stepOfMin" = excluded."stepOfMin", "stepOfMax" = excluded."stepOfMax"`;
}

/** Where in a curve to read, by chunk number; `steps` narrows to chunks that touch the range. */
export interface MetricChunkRange {
  attemptId: string;
  key: string;
  afterChunkNo: number;
  limit: number;
  stepMin?: number | undefined;
  stepMax?: number | undefined;
}

/**
 * Reads the next `limit` chunks of a curve in order, so that a long one never lies in memory whole.
 */
export async function readMetricChunks(
  tx: Tx,
  range: MetricChunkRange,
): Promise<StoredMetricChunk[]> {
  // Arrays travel as text: Prisma's own array decoding turns NaN into null.
  const rows = await tx.$queryRaw<{ chunkNo: number; n: number; steps: string; values: string }[]>`
    SELECT "chunkNo", n, steps::text AS steps, "values"::text AS "values" FROM metric_chunk
    WHERE "attemptId" = ${range.attemptId}::uuid AND key = ${range.key}
      AND "chunkNo" > ${range.afterChunkNo}::int
      AND (${range.stepMin ?? null}::float8 IS NULL OR "stepMax" >= ${range.stepMin ?? null}::float8)
      AND (${range.stepMax ?? null}::float8 IS NULL OR "stepMin" <= ${range.stepMax ?? null}::float8)
    ORDER BY "chunkNo" LIMIT ${range.limit}::int`;
  return rows.map(({ chunkNo, n, steps, values }) => ({
    chunkNo,
    n,
    steps: parseLiteral(steps),
    values: parseLiteral(values),
  }));
}

/** Postgres' array literal; JavaScript's shortest decimals come back bit for bit. */
function literal(numbers: readonly number[]): string {
  return `{${numbers.map((v) => (Object.is(v, -0) ? "-0" : v)).join(",")}}`;
}

function parseLiteral(text: string): number[] {
  return text === "{}" ? [] : text.slice(1, -1).split(",").map(Number);
}

/** One entry a name, the longest one (a sealed one before an open one), sorted by name. */
export function longestOfEach<T extends { sealed: boolean }>(
  items: readonly T[],
  nameOf: (item: T) => string,
  lengthOf: (item: T) => number,
): T[] {
  const best = new Map<string, T>();
  for (const item of items) {
    const known = best.get(nameOf(item));
    const grows = known === undefined || lengthOf(item) > lengthOf(known);
    const seals = known !== undefined && lengthOf(item) === lengthOf(known) && item.sealed;
    if (grows || seals) best.set(nameOf(item), item);
  }
  return [...best].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
}
