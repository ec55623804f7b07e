import { type AnyExperiment, MACHINE_METRICS, type MetricSpec } from "@fmlab/experiment";
import { projectProcedure } from "../../trpc.ts";

/** The metric keys of the project's runs, the commonest first, for the column chooser. */
export const metricKeys = projectProcedure("viewer").query(async ({ ctx, input }) => {
  const { db, experiments } = ctx.platform;
  const rows = await db.$queryRaw<{ key: string; runs: number; kinds: string[] }[]>`
    SELECT s.key, count(*)::int AS runs, array_agg(DISTINCT r.kind ORDER BY r.kind) AS kinds
    FROM metric_summary s JOIN run r ON r.id = s."runId"
    WHERE r."projectId" = ${input.projectId}::uuid
    GROUP BY s.key ORDER BY runs DESC, s.key LIMIT 500`;
  return rows.map(({ key, runs, kinds }) => {
    const spec = specOf(experiments, kinds, key);
    return {
      key,
      unit: spec?.unit ?? "",
      title: spec?.title ?? key,
      better: spec?.better ?? ("none" as const),
      headline: spec?.headline ?? false,
      kinds,
      runs,
    };
  });
});

/** The declared metric, or the machine's, behind a key such as `hitRate{layer=3}`. */
function specOf(
  experiments: ReadonlyMap<string, AnyExperiment>,
  kinds: string[],
  key: string,
): MetricSpec | undefined {
  const name = key.replace(/\{.*$/, "");
  const machine: Record<string, MetricSpec> = MACHINE_METRICS;
  return kinds.map((kind) => experiments.get(kind)?.metrics[name]).find(Boolean) ?? machine[name];
}
