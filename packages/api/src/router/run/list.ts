import { Prisma, type Tx } from "@fmlab/db";
import { z } from "zod";
import { plainText } from "../../plain-text.ts";
import { runFilterSchema, runFilterSql } from "../../runs/run-filter.ts";
import { RUN_ROW_FROM, readRunRows } from "../../runs/run-row.ts";
import { runSortSchema, runSortSql } from "../../runs/run-sort.ts";
import { projectProcedure } from "../../trpc.ts";

/** The total is counted up to here; beyond it the page says "more than". */
const COUNT_MAX = 10_000;

/** One page of the runs table. Reads summaries of the asked metrics only, never points. */
export const list = projectProcedure("viewer")
  .input(
    z.object({
      filter: runFilterSchema.default({}),
      sort: runSortSchema.default({ by: "createdAt", dir: "desc" }),
      columns: z.array(plainText(200)).max(100).default([]),
      cursor: plainText(1_000).nullish(),
      limit: z.number().int().min(1).max(200).default(50),
    }),
  )
  .query(async ({ ctx, input }) => {
    const { db, experiments } = ctx.platform;
    const filter = runFilterSql(input.projectId, input.filter);
    const sort = runSortSql(input.sort);
    const where = input.cursor ? Prisma.sql`${filter} AND ${sort.after(input.cursor)}` : filter;
    const [found, total] = await Promise.all([
      readRunRows(db, {
        ...sort,
        where,
        limit: input.limit + 1,
        columns: input.columns,
        titleOf: (kind) => experiments.get(kind)?.title,
      }),
      countRuns(db, filter),
    ]);
    const page = found.slice(0, input.limit);
    const more = found.length > input.limit;
    return {
      rows: page.map(({ row }) => row),
      nextCursor: more ? (page.at(-1)?.cursor ?? null) : null,
      total,
    };
  });

async function countRuns(tx: Tx, filter: Prisma.Sql) {
  const [row] = await tx.$queryRaw<{ count: number }[]>`SELECT count(*)::int AS count FROM (
    SELECT 1 ${RUN_ROW_FROM} WHERE ${filter} LIMIT ${COUNT_MAX + 1}) found`;
  const count = row?.count ?? 0;
  return { count: Math.min(count, COUNT_MAX), capped: count > COUNT_MAX };
}
