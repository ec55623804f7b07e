import { Prisma } from "@fmlab/db";

/**
 * Whether one of a machine's cards has what a run needs of a GPU: `gpuMisfit` of
 * `@fmlab/experiment` as a condition, so that the queue decides while it locks. A run without such
 * a need fits any machine.
 *
 * @param need expression of type jsonb: a `GpuRequirement`, or null
 * @param gpus expression of type jsonb: an array of `GpuFacts`
 * @param takenBytes numeric expression: VRAM that other runs on the machine have claimed
 */
export function gpuFits(need: Prisma.Sql, gpus: Prisma.Sql, takenBytes: Prisma.Sql): Prisma.Sql {
  const needed = (field: string) => Prisma.sql`(${need} ->> ${field})`;
  const has = (field: string) => Prisma.sql`(gpu ->> ${field})`;
  const reaches = (field: string, of: string) =>
    Prisma.sql`(${needed(field)} IS NULL OR ${version(has(of))} >= ${version(needed(field))})`;
  const vram = Prisma.sql`coalesce(${needed("vramBytes")}::numeric, 0)`;
  return Prisma.sql`(${need} IS NULL OR EXISTS (
    SELECT 1 FROM jsonb_array_elements(${gpus}) AS gpu
    WHERE (${vram} <= 0 OR ${has("memoryBytes")}::numeric - ${takenBytes} >= ${vram})
      AND ${reaches("computeCapability", "computeCapability")} AND ${reaches("driver", "driver")}
      AND (${needed("name")} IS NULL
        OR position(lower(${needed("name")}) IN lower(${has("name")})) > 0)))`;
}

/** Numbers of a version, which Postgres compares one by one; null for any other text. */
const version = (text: Prisma.Sql): Prisma.Sql => Prisma.sql`(
  CASE WHEN ${text} ~ '^[0-9]{1,9}([.][0-9]{1,9})*$' THEN string_to_array(${text}, '.')::int[] END)`;
