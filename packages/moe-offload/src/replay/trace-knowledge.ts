import type { Calibration } from "../calibration/calibration.ts";
import { RoutingStatistics } from "../calibration/routing-statistics.ts";
import { RoutingCursor } from "../traces/routing-cursor.ts";
import type { Trace } from "../traces/trace.ts";

/**
 * What a calibration would have learned from the text of a trace; for models whose weights are not
 * at hand. Learn from another trace than the one that is measured on.
 */
export function calibrationFromTrace(trace: Trace): Calibration {
  const statistics = new RoutingStatistics(trace.shape);
  const cursor = new RoutingCursor(trace);
  for (let token = 0; token < trace.tokenCount; token++) {
    const begins = token > 0 && trace.positions[token] !== (trace.positions[token - 1] ?? 0) + 1;
    if (begins) statistics.endSequence();
    for (let index = 0; index < trace.shape.moeLayers.length; index++) {
      statistics.add(cursor.at(token, index));
    }
  }
  statistics.endSequence();
  return statistics.result(trace.provenance.seed ?? 0);
}
