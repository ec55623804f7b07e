import { type Db, readMetricChunks } from "@fmlab/db";
import { z } from "zod";
import { bucketCurve, type CurveExtent } from "../../metrics/bucket-reader.ts";
import { plainText } from "../../plain-text.ts";
import { findAttempt } from "../../runs/find-attempt.ts";
import { runProcedure } from "../../trpc.ts";

/** Chunks read at a time: what one curve takes of memory, beside its buckets. */
const PIECE_CHUNKS = 50;

/** Curves for drawing; long ones come in buckets with least, greatest and last value. */
export const metrics = runProcedure("viewer")
  .input(
    z.object({
      keys: z.array(plainText(200)).max(100).optional(),
      buckets: z.number().int().min(10).max(1_000).default(600),
      attempt: z.int32().min(1).optional(),
      xMin: z.number().optional(),
      xMax: z.number().optional(),
    }),
  )
  .query(async ({ ctx, input }) => {
    const { db } = ctx.platform;
    const attempt = await findAttempt(db, ctx.run, input.attempt);
    if (attempt === undefined) return [];
    const extents = await readExtents(db, attempt.id);
    const keys = input.keys ?? [...extents.keys()].slice(0, 500);
    const range = { xMin: input.xMin, xMax: input.xMax };
    const curves = [];
    for (const key of keys) {
      const pieces = () => chunksOf(db, { attemptId: attempt.id, key, ...range });
      const whole = input.xMin === undefined && input.xMax === undefined;
      const known = whole ? extents.get(key) : undefined;
      const curve = await bucketCurve(pieces, range, input.buckets, known);
      if (curve.n > 0) curves.push({ key, ...curve });
    }
    return curves;
  });

/** Every curve's extent by key, from the chunks' own sums. */
async function readExtents(db: Db, attemptId: string): Promise<Map<string, CurveExtent>> {
  const rows = await db.$queryRaw<(CurveExtent & { key: string })[]>`
    SELECT key, sum(n)::int AS n, sum(gaps)::int AS gaps, min("stepMin") AS low, max("stepMax") AS high
    FROM metric_chunk WHERE "attemptId" = ${attemptId}::uuid GROUP BY key ORDER BY key`;
  return new Map(rows.map(({ key, ...extent }) => [key, extent]));
}

async function* chunksOf(
  db: Db,
  curve: { attemptId: string; key: string; xMin: number | undefined; xMax: number | undefined },
) {
  for (let afterChunkNo = -1; ; ) {
    const { attemptId, key, xMin: stepMin, xMax: stepMax } = curve;
    const range = { attemptId, key, afterChunkNo, limit: PIECE_CHUNKS, stepMin, stepMax };
    const chunks = await readMetricChunks(db, range);
    yield* chunks;
    if (chunks.length < PIECE_CHUNKS) return;
    afterChunkNo = chunks.at(-1)?.chunkNo ?? Number.MAX_SAFE_INTEGER;
  }
}
