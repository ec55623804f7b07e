import { Prisma } from "@fmlab/db";
import { z } from "zod";
import { plainText } from "../plain-text.ts";

/** All states of a run, in the order of its life. */
export const RUN_STATES = [
  "QUEUED",
  "CLAIMED",
  "RUNNING",
  "CANCELLING",
  "SUCCEEDED",
  "FAILED",
  "CANCELLED",
  "TIMED_OUT",
] as const;

/** Which runs to show. */
export const runFilterSchema = z.object({
  states: z.array(z.enum(RUN_STATES)).max(20).optional(),
  kinds: z.array(plainText(200)).max(100).optional(),
  /** Every word must occur somewhere in the run's names, note or failure. */
  search: plainText(200).optional(),
  launchId: z.uuid().optional(),
  configHash: plainText(64).optional(),
});

/** The condition of a filter, over the tables of RUN_ROW_FROM. */
export function runFilterSql(
  projectId: string,
  filter: z.output<typeof runFilterSchema>,
): Prisma.Sql {
  const all = [Prisma.sql`r."projectId" = ${projectId}::uuid`];
  if (filter.states) all.push(Prisma.sql`r.state::text = ANY(${filter.states}::text[])`);
  if (filter.kinds) all.push(Prisma.sql`r.kind = ANY(${filter.kinds}::text[])`);
  if (filter.launchId) all.push(Prisma.sql`r."launchId" = ${filter.launchId}::uuid`);
  if (filter.configHash) all.push(Prisma.sql`r."configHash" = ${filter.configHash}`);
  for (const word of filter.search?.trim().split(/\s+/).filter(Boolean) ?? []) {
    all.push(Prisma.sql`${SEARCHED} ILIKE ${containing(word)}`);
  }
  return Prisma.join(all, " AND ");
}

const SEARCHED = Prisma.sql`concat_ws(' ', r.kind, r.preset, ec.name, r.note, r."failureCode",
  r."failureMessage", u.name, m.name, r.id::text, 'seed=' || r.seed)`;

/** An ILIKE pattern; what the user types is text, not a pattern. */
export function containing(text: string): string {
  return `%${text.replaceAll("\0", "").replace(/[\\%_]/g, "\\$&")}%`;
}
