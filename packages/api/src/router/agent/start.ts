import { startInput } from "../../protocol.ts";
import { startAttempt } from "../../queue/start-attempt.ts";
import { agentProcedure } from "../../trpc.ts";

/** The child process of an attempt has started. */
export const start = agentProcedure.input(startInput).mutation(async ({ ctx, input }) => ({
  order: await startAttempt(ctx.platform.db, ctx.organizationId, input),
}));
