import { z } from "zod";
import { CLAIM_WAIT_MS_MAX } from "../../protocol.ts";
import { awaitWork } from "../../queue/await-work.ts";
import { claimRun } from "../../queue/claim-run.ts";
import { agentProcedure } from "../../trpc.ts";

/** The next run for the machine; waits for one up to `waitMs`, then answers null. */
export const claim = agentProcedure
  .input(
    z.object({
      machineId: z.uuid(),
      waitMs: z.number().int().min(0).max(CLAIM_WAIT_MS_MAX).default(0),
    }),
  )
  .mutation(({ ctx, input, signal }) => {
    const { db, hub } = ctx.platform;
    const { organizationId } = ctx;
    const machine = { id: input.machineId, organizationId };
    const options = { waitMs: input.waitMs, signal, nowMs: () => performance.now() };
    return awaitWork(hub, organizationId, options, () => claimRun(db, machine));
  });
