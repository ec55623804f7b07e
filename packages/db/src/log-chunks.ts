import type { Tx } from "./create-db.ts";
import { longestOfEach } from "./metric-chunks.ts";
import { storableText } from "./storable-text.ts";

/** One line; `t` is ms since the attempt's start. */
export interface StoredLogLine {
  t: number;
  level: string;
  text: string;
}

/** Lines `0..n-1` of one chunk. */
export interface LogChunkInput {
  chunkNo: number;
  sealed: boolean;
  lines: readonly StoredLogLine[];
}

/** Stores log chunks under the same rule as `upsertMetricChunks`. */
export async function upsertLogChunks(
  tx: Tx,
  attemptId: string,
  chunks: readonly LogChunkInput[],
): Promise<void> {
  const rows = longestOfEach(
    chunks,
    (c) => String(c.chunkNo),
    (c) => c.lines.length,
  );
  if (rows.length === 0) return;
  const lines = rows.map((c) =>
    JSON.stringify(c.lines.map(({ t, level, text }) => ({ t, level, text: storableText(text) }))),
  );
  await tx.$executeRaw`
    INSERT INTO log_chunk ("attemptId", "chunkNo", n, sealed, lines)
    SELECT ${attemptId}::uuid, u.no::int, jsonb_array_length(u.lines::jsonb), u.sealed::boolean,
      u.lines::jsonb
    FROM unnest(${rows.map((c) => String(c.chunkNo))}::text[],
      ${rows.map((c) => String(c.sealed))}::text[], ${lines}::text[]) AS u(no, sealed, lines)
    ON CONFLICT ("attemptId", "chunkNo") DO UPDATE SET n = excluded.n, sealed = excluded.sealed,
      lines = excluded.lines
    WHERE NOT log_chunk.sealed AND (excluded.n > log_chunk.n
      OR (excluded.n = log_chunk.n AND excluded.sealed))`;
}
