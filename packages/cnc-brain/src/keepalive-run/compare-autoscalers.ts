import type { SeriesInput } from "@fmlab/experiment";
import { createAutoscaler } from "../autoscale/registry.ts";
import { simulateReplicas } from "../autoscale/replica-simulation.ts";
import type { KeepaliveConfig } from "../definitions/keepalive.ts";
import type { Workload } from "../workload/workload.ts";

/** What one autoscaler did for the busiest function. */
export interface AutoscalerRow {
  autoscaler: string;
  responseMsMean: number;
  responseMsP95: number;
  replicaHours: number;
  replicasMost: number;
  changes: number;
}

/** Tries each autoscaler on the function with the most requests. */
export function compareAutoscalers(
  { functions, trace }: Workload,
  config: Pick<KeepaliveConfig, "autoscalers" | "replicaConcurrency" | "replicasMax">,
): { functionName: string; requests: number; rows: AutoscalerRow[] } {
  const counts = new Uint32Array(functions.length);
  for (const fn of trace.functionIndex) counts[fn] = (counts[fn] as number) + 1;
  const busiest = counts.indexOf(counts.reduce((a, b) => Math.max(a, b), 0));
  const fn = functions[busiest];
  const isIts = (_: number, id: number) => trace.functionIndex[id] === busiest;
  const arrivalMs = trace.arrivalMs.filter(isIts);
  const durationMs = trace.durationMs.filter(isIts);
  const rows = config.autoscalers.map((name) => {
    const result = simulateReplicas({
      arrivalMs,
      durationMs,
      autoscaler: createAutoscaler(name),
      concurrency: config.replicaConcurrency,
      startMs: fn?.coldStartMs ?? 0,
      replicasMax: config.replicasMax,
    });
    return {
      autoscaler: name,
      responseMsMean: result.responseMsMean,
      responseMsP95: result.responseMsP95,
      replicaHours: result.replicaSeconds / 3600,
      replicasMost: result.replicasMost,
      changes: result.changes,
    };
  });
  return { functionName: fn?.name ?? "", requests: arrivalMs.length, rows };
}

/** The comparison as a table. */
export function autoscalerTable(rows: readonly AutoscalerRow[]): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "autoscaler", title: "Autoscaler", type: "text" },
      { key: "responseMsMean", title: "Response, mean", unit: "ms", type: "number" },
      { key: "responseMsP95", title: "Response, p95", unit: "ms", type: "number" },
      { key: "replicaHours", title: "Replicas", unit: "h", type: "number" },
      { key: "replicasMost", title: "Most replicas", type: "number" },
      { key: "changes", title: "Changes", type: "number" },
    ],
    rows: rows.map((row) => ({ ...row })),
  };
}
