import { finishInput } from "../../protocol.ts";
import { finishAttempt } from "../../queue/finish-attempt.ts";
import { agentProcedure } from "../../trpc.ts";

/** Ends an attempt; not accepted from one that is fenced off. */
export const finish = agentProcedure
  .input(finishInput)
  .mutation(({ ctx, input }) => finishAttempt(ctx.platform.db, ctx.organizationId, input));
