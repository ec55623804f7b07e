import { z } from "zod";
import { managementProcedure } from "../../trpc.ts";

/** What was done in the organisation, the newest first. */
export const list = managementProcedure("admin")
  .input(
    z.object({
      cursor: z.uuid().nullish(),
      limit: z.number().int().min(1).max(200).default(50),
    }),
  )
  .query(async ({ ctx, input }) => {
    const { db } = ctx.platform;
    const found = await db.auditEvent.findMany({
      where: { organizationId: input.organizationId },
      orderBy: [{ at: "desc" }, { id: "desc" }],
      take: input.limit + 1,
      ...(input.cursor && { cursor: { id: input.cursor } }),
    });
    const page = found.slice(0, input.limit);
    const [users, tokens] = await Promise.all([
      db.user.findMany({ where: { id: { in: actors(page, "user") } } }),
      db.apiToken.findMany({ where: { id: { in: actors(page, "token") } } }),
    ]);
    const names = new Map([...users, ...tokens].map(({ id, name }) => [id, name]));
    return {
      rows: page.map((e) => ({ ...e, actorName: names.get(e.actorId ?? "") ?? null })),
      nextCursor: found.at(input.limit)?.id ?? null,
    };
  });

function actors(events: { actorKind: string; actorId: string | null }[], kind: string): string[] {
  return events.flatMap((e) => (e.actorKind === kind && e.actorId !== null ? [e.actorId] : []));
}
