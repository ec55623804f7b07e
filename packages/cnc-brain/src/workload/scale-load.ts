import type { Prng } from "@fmlab/sim";
import { requireSetting } from "../errors.ts";
import {
  type InvocationRow,
  type InvocationTrace,
  traceOfRows,
} from "../traces/invocation-trace.ts";

/** Copies of a request lie up to so far from it. */
const COPY_SPREAD_MS = 30_000;

/**
 * A trace with `factor` times as many requests: each is kept, dropped or repeated at random, with
 * copies moved a little; durations and the rhythm of the day stay as they are.
 */
export function scaleRequests(trace: InvocationTrace, factor: number, prng: Prng): InvocationTrace {
  requireSetting(factor >= 0 && Number.isFinite(factor), "factor", factor, "finite, at least 0");
  const rows: InvocationRow[] = [];
  const endMs = trace.arrivalMs[trace.count - 1] ?? 0;
  for (let i = 0; i < trace.count; i++) {
    const copies = Math.floor(factor) + (prng.nextFloat() < factor % 1 ? 1 : 0);
    for (let k = 0; k < copies; k++) {
      const movedMs = k === 0 ? 0 : (2 * prng.nextFloat() - 1) * COPY_SPREAD_MS;
      const arrivalMs = (trace.arrivalMs[i] as number) + movedMs;
      rows.push({
        functionIndex: trace.functionIndex[i] as number,
        // What would fall off either end comes in at the other side of it.
        arrivalMs:
          arrivalMs < 0 ? -arrivalMs : arrivalMs > endMs ? 2 * endMs - arrivalMs : arrivalMs,
        durationMs: trace.durationMs[i] as number,
        site: trace.site[i] as number,
      });
    }
  }
  for (const row of rows) row.arrivalMs = Math.min(endMs, Math.max(0, row.arrivalMs));
  return traceOfRows(rows);
}
