import { Prisma, type RunState } from "@fmlab/db";
import { RUN_STATES } from "../../runs/run-filter.ts";
import { readRunRows } from "../../runs/run-row.ts";
import { projectProcedure } from "../../trpc.ts";

/** Counts by state and what is going on now, for the home page. */
export const stats = projectProcedure("viewer").query(async ({ ctx, input }) => {
  const { db, experiments } = ctx.platform;
  const counts = await db.run.groupBy({
    by: ["state"],
    where: { projectId: input.projectId },
    _count: true,
  });
  const byState = Object.fromEntries(RUN_STATES.map((s) => [s, 0])) as Record<RunState, number>;
  for (const { state, _count } of counts) byState[state] = _count;
  const running = await readRunRows(db, {
    where: Prisma.sql`r."projectId" = ${input.projectId}::uuid
      AND r.state IN ('CLAIMED', 'RUNNING', 'CANCELLING')`,
    orderBy: Prisma.sql`r."startedAt" DESC NULLS LAST, r.id`,
    limit: 20,
    columns: [],
    titleOf: (kind) => experiments.get(kind)?.title,
  });
  return { byState, running: running.map(({ row }) => row) };
});
