import { type Db, readMetricChunks } from "@fmlab/db";
import { z } from "zod";
import { bucketCurve } from "../../metrics/bucket-reader.ts";
import { findAttempt } from "../../runs/find-attempt.ts";
import { runProcedure } from "../../trpc.ts";

/** Chunks read at a time: what one curve takes of memory, beside its buckets. */
const PIECE_CHUNKS = 50;

/** Curves for drawing; long ones come in buckets with least, greatest and last value. */
export const metrics = runProcedure("viewer")
  .input(
    z.object({
      keys: z.array(z.string().max(200)).max(100).optional(),
      buckets: z.number().int().min(10).max(1_000).default(600),
      attempt: z.number().int().min(1).optional(),
      xMin: z.number().optional(),
      xMax: z.number().optional(),
    }),
  )
  .query(async ({ ctx, input }) => {
    const { db } = ctx.platform;
    const attempt = await findAttempt(db, ctx.run, input.attempt);
    if (attempt === undefined) return [];
    const keys = input.keys ?? (await firstKeys(db, attempt.id));
    const range = { xMin: input.xMin, xMax: input.xMax };
    const curves = [];
    for (const key of keys) {
      const pieces = () => chunksOf(db, { attemptId: attempt.id, key, ...range });
      const curve = await bucketCurve(pieces, range, input.buckets);
      if (curve.n > 0) curves.push({ key, ...curve });
    }
    return curves;
  });

async function firstKeys(db: Db, attemptId: string): Promise<string[]> {
  const rows = await db.$queryRaw<{ key: string }[]>`SELECT DISTINCT key FROM metric_chunk
    WHERE "attemptId" = ${attemptId}::uuid ORDER BY key LIMIT 500`;
  return rows.map((r) => r.key);
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
