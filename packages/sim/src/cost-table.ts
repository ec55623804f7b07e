import { SimError } from "./errors.ts";

/**
 * What operations cost on a core, ms each, measured once on a host or chosen. Part of a run's
 * record: two runs compare only under the same table.
 */
export type CostTable = Readonly<Record<string, number>>;

/**
 * Cost of `count` operations of a kind.
 *
 * @throws SimError `UNKNOWN_OPERATION` when the table does not have it
 */
export function costOf(table: CostTable, operation: string, count = 1): number {
  const costMs = Object.hasOwn(table, operation) ? table[operation] : undefined;
  if (costMs === undefined) {
    throw new SimError(
      `the cost table has no "${operation}"; it has ${Object.keys(table).join(", ") || "nothing"}`,
      { code: "UNKNOWN_OPERATION", operation, known: Object.keys(table) },
    );
  }
  return costMs * count;
}

/**
 * Mean cost of an operation on this machine: the fastest of several batches, so that what else runs
 * disturbs little.
 *
 * @param run does the operation once
 * @param clock the machine's monotonic clock, e.g. `{ nowMs: () => performance.now() }`
 * @returns ms an operation, > 0 where the clock resolves a batch
 */
export function measureCost(
  run: () => void,
  clock: { nowMs(): number },
  { batches = 5, batchSize = 200 }: { batches?: number; batchSize?: number } = {},
): number {
  for (let i = 0; i < batchSize; i++) run();
  let bestMs = Number.POSITIVE_INFINITY;
  for (let batch = 0; batch < batches; batch++) {
    const startMs = clock.nowMs();
    for (let i = 0; i < batchSize; i++) run();
    bestMs = Math.min(bestMs, (clock.nowMs() - startMs) / batchSize);
  }
  return bestMs;
}
