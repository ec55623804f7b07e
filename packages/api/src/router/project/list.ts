import { z } from "zod";
import { plainText } from "../../plain-text.ts";
import { userProcedure } from "../../trpc.ts";

/** The projects of the organisations the caller belongs to. */
export const list = userProcedure
  .input(z.object({ organizationId: plainText(64).optional() }))
  .query(async ({ ctx, input }) => {
    const { caller, platform, user } = ctx;
    const within = caller.kind === "cli" ? caller.organizationId : input.organizationId;
    const projects = await platform.db.project.findMany({
      where: {
        organization: { members: { some: { userId: user.id } } },
        AND: [
          within === undefined ? {} : { organizationId: within },
          input.organizationId === undefined ? {} : { organizationId: input.organizationId },
        ],
      },
      include: {
        organization: { include: { members: { where: { userId: user.id } } } },
        _count: { select: { runs: true } },
      },
      orderBy: [{ organization: { name: "asc" } }, { name: "asc" }],
    });
    return projects.map((p) => ({
      id: p.id,
      name: p.name,
      organizationId: p.organizationId,
      organizationName: p.organization.name,
      role: p.organization.members[0]?.role ?? "viewer",
      runCount: p._count.runs,
    }));
  });
