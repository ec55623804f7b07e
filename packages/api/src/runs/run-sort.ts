import { Prisma } from "@fmlab/db";
import { z } from "zod";
import { plainText } from "../plain-text.ts";
import { type CursorType, parseRunCursor } from "./run-cursor.ts";
import { DURATION_MS } from "./run-row.ts";

/** How to sort the runs table. */
export const runSortSchema = z.object({
  /** A column, or `metric:<key>` for its result. */
  by: plainText(210).refine((by) => Object.hasOwn(COLUMN_SORTS, by) || by.startsWith("metric:"), {
    error: () => `sort by one of ${Object.keys(COLUMN_SORTS).join(", ")} or metric:<key>`,
  }),
  dir: z.enum(["asc", "desc"]),
});
/** A parsed sort. */
export type RunSort = z.output<typeof runSortSchema>;

/** A sort key: an expression, its type, and what stands for a missing value (always shown last). */
interface SortKey {
  expression: Prisma.Sql;
  type: CursorType;
  join?: Prisma.Sql;
}

const COLUMN_SORTS: Record<string, SortKey> = {
  createdAt: { expression: Prisma.sql`r."createdAt"`, type: "timestamptz" },
  startedAt: { expression: Prisma.sql`r."startedAt"`, type: "timestamptz" },
  finishedAt: { expression: Prisma.sql`r."finishedAt"`, type: "timestamptz" },
  duration: { expression: DURATION_MS, type: "float8" },
  seed: { expression: Prisma.sql`r.seed::float8`, type: "float8" },
  priority: { expression: Prisma.sql`r.priority::float8`, type: "float8" },
  attemptCount: { expression: Prisma.sql`r."attemptCount"::float8`, type: "float8" },
  state: { expression: Prisma.sql`r.state::text`, type: "text" },
  kind: { expression: Prisma.sql`r.kind`, type: "text" },
  preset: { expression: Prisma.sql`r.preset`, type: "text" },
  configName: { expression: Prisma.sql`ec.name`, type: "text" },
  createdByName: { expression: Prisma.sql`u.name`, type: "text" },
  machineName: { expression: Prisma.sql`m.name`, type: "text" },
};

/** Greatest and least value of each type: where a missing value sorts last in either direction. */
const END = {
  timestamptz: { asc: "infinity", desc: "-infinity" },
  float8: { asc: "NaN", desc: "-infinity" },
  text: { asc: "\u{10FFFF}", desc: "" },
} as const;

/** A sort as SQL. */
export interface SortSql {
  join: Prisma.Sql;
  orderBy: Prisma.Sql;
  /** The key of a row, as text. */
  cursor: Prisma.Sql;
  /** Rows that come after the one a cursor names. */
  after: (cursor: string) => Prisma.Sql;
}

/** Ordering and paging by key: rows that arrive meanwhile neither repeat nor hide others. */
export function runSortSql(sort: RunSort): SortSql {
  const { expression, type, join } = sortKey(sort.by);
  const typed = Prisma.raw(type);
  const direction = Prisma.raw(sort.dir);
  const key = Prisma.sql`coalesce(${expression}, ${END[type][sort.dir]}::${typed})`;
  return {
    join: join ?? Prisma.empty,
    orderBy: Prisma.sql`${key} ${direction}, r.id ${direction}`,
    cursor: Prisma.sql`jsonb_build_array((${key})::text, r.id)`,
    after: (cursor) => {
      const [value, id] = parseRunCursor(cursor, type);
      const beyond = Prisma.raw(sort.dir === "asc" ? ">" : "<");
      return Prisma.sql`(${key}, r.id) ${beyond} (${value}::${typed}, ${id}::uuid)`;
    },
  };
}

function sortKey(by: string): SortKey {
  const known = Object.hasOwn(COLUMN_SORTS, by) ? COLUMN_SORTS[by] : undefined;
  if (known) return known;
  const metric = by.slice("metric:".length);
  return {
    expression: Prisma.sql`coalesce(sorted.result, sorted.last)`,
    type: "float8",
    join: Prisma.sql`LEFT JOIN metric_summary sorted ON sorted."runId" = r.id AND sorted.key = ${metric}`,
  };
}
