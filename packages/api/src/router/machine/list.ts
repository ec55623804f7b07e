import { machineFactsSchema } from "@fmlab/experiment";
import { listMachines } from "../../launch/machines.ts";
import { organizationProcedure } from "../../trpc.ts";

/** The organisation's machines and what they are doing. */
export const list = organizationProcedure("viewer").query(async ({ ctx, input }) => {
  const { db } = ctx.platform;
  const machines = await listMachines(db, input.organizationId);
  const running = await db.attempt.findMany({
    where: {
      machineId: { in: machines.map((m) => m.id) },
      state: { in: ["CLAIMED", "RUNNING"] },
    },
    select: { machineId: true, run: { select: { id: true, kind: true } } },
  });
  return machines.map(({ id, name, facts, capabilities, definitions, lastSeenAt, online }) => ({
    id,
    name,
    facts: machineFactsSchema.parse(facts),
    capabilities: [...capabilities],
    definitions: { ...definitions },
    lastSeenAt,
    online,
    running: running
      .filter((a) => a.machineId === id)
      .map((a) => ({ runId: a.run.id, kind: a.run.kind })),
  }));
});
