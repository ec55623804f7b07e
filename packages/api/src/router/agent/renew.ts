import { z } from "zod";
import { fenceSchema } from "../../protocol.ts";
import { renewLeases } from "../../queue/renew-leases.ts";
import { agentProcedure } from "../../trpc.ts";

/** Renews the leases of a machine's attempts; also the machine's sign of life. */
export const renew = agentProcedure
  .input(z.object({ machineId: z.uuid(), attempts: z.array(fenceSchema).max(1_000) }))
  .mutation(async ({ ctx, input }) => {
    const machine = { id: input.machineId, organizationId: ctx.organizationId };
    return { orders: await renewLeases(ctx.platform.db, machine, input.attempts) };
  });
