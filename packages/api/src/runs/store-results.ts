import type { Tx } from "@fmlab/db";

/**
 * Copies the numbers of an ended run's summary to its metrics of the same key: they are the run's
 * results (means, totals), while a metric's last point is only its last sample.
 */
export async function storeResults(
  tx: Tx,
  runId: string,
  summary: Record<string, unknown> | null,
): Promise<void> {
  const numbers = Object.entries(summary ?? {}).filter(([, value]) => Number.isFinite(value));
  if (numbers.length === 0) return;
  await tx.$executeRaw`
    UPDATE metric_summary s SET result = u.value::float8
    FROM unnest(${numbers.map(([key]) => key)}::text[],
      ${numbers.map(([, value]) => String(value))}::text[]) AS u(key, value)
    WHERE s."runId" = ${runId}::uuid AND s.key = u.key`;
}
