import type { Tx } from "@fmlab/db";
import { z } from "zod";
import { plainText } from "../../plain-text.ts";
import { CHUNK_SIZE, type LogLine } from "../../protocol.ts";
import { findAttempt } from "../../runs/find-attempt.ts";
import { containing } from "../../runs/run-filter.ts";
import { runProcedure } from "../../trpc.ts";

/** Lines of a run's log, numbered from 1. */
export const logs = runProcedure("viewer")
  .input(
    z.object({
      attempt: z.int32().min(1).optional(),
      /** Lines after this number. */
      afterLine: z.number().int().min(0).max(1_000_000_000).default(0),
      limit: z.number().int().min(1).max(2_000).default(500),
      search: plainText(200).optional(),
      /** The last `limit` lines instead. */
      tail: z.boolean().default(false),
    }),
  )
  .query(async ({ ctx, input }) => {
    const { db } = ctx.platform;
    const attempt = await findAttempt(db, ctx.run, input.attempt);
    const { afterLine, limit, search } = input;
    if (attempt === undefined) return { attempt: null, lines: [], nextLine: afterLine, total: 0 };
    const total = await countLines(db, attempt.id);
    const from = input.tail && !search ? Math.max(afterLine, total - limit) : afterLine;
    const lines = await readLines(db, attempt.id, from, limit, search);
    const nextLine = lines.at(-1)?.no ?? Math.max(from, search ? total : 0);
    return { attempt: attempt.number, lines, nextLine, total };
  });

/** Only the last chunk may be shorter than CHUNK_SIZE. */
async function countLines(tx: Tx, attemptId: string): Promise<number> {
  const last = await tx.logChunk.findFirst({
    where: { attemptId },
    orderBy: { chunkNo: "desc" },
    select: { chunkNo: true, n: true },
  });
  return last === null ? 0 : last.chunkNo * CHUNK_SIZE + last.n;
}

function readLines(
  tx: Tx,
  attemptId: string,
  after: number,
  limit: number,
  search: string | undefined,
): Promise<({ no: number } & LogLine)[]> {
  const pattern = search ? containing(search) : null;
  return tx.$queryRaw`
    SELECT (c."chunkNo" * ${CHUNK_SIZE}::int + l.no)::int AS no, (l.line ->> 't')::float8 AS t,
      l.line ->> 'level' AS level, l.line ->> 'text' AS text
    FROM log_chunk c, jsonb_array_elements(c.lines) WITH ORDINALITY AS l(line, no)
    WHERE c."attemptId" = ${attemptId}::uuid AND c."chunkNo" >= ${Math.floor(after / CHUNK_SIZE)}::int
      AND c."chunkNo" * ${CHUNK_SIZE}::int + l.no > ${after}::int
      AND (${pattern}::text IS NULL OR l.line ->> 'text' ILIKE ${pattern}::text)
    ORDER BY 1 LIMIT ${limit}`;
}
