import { reportInput } from "../../protocol.ts";
import { storeReport } from "../../reports/store-report.ts";
import { agentProcedure } from "../../trpc.ts";

/** Points, lines, pictures and progress of an attempt; may be sent any number of times. */
export const report = agentProcedure.input(reportInput).mutation(async ({ ctx, input }) => ({
  order: await storeReport(ctx.platform.db, ctx.organizationId, input),
}));
