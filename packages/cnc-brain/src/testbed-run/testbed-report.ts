import type { RunContext, Summary } from "@fmlab/experiment";
import type { SimulationResult } from "../simulator/result.ts";
import { quantileOf } from "../simulator/summary.ts";
import { assumptionTable } from "../workload/run-settings.ts";
import type { Calibration } from "./calibrate.ts";
import type { DriveResult } from "./drive.ts";
import type { TestbedPlan } from "./testbed-plan.ts";

const POINTS_MAX = 400;

/** One policy, on the testbed and in the simulator. */
export interface PolicyComparison {
  policy: string;
  measured: DriveResult;
  predicted: SimulationResult;
}

/** Tells metrics and pictures; the run's own numbers are the first policy's. */
export function reportTestbed(
  ctx: Pick<RunContext, "metric" | "series" | "log">,
  plan: TestbedPlan,
  calibration: Calibration,
  comparisons: readonly PolicyComparison[],
  speedUp: number,
): Summary {
  const rows = comparisons.map((one) => rowOf(one));
  for (const { policy, failures, ...numbers } of rows) {
    for (const [key, value] of Object.entries(numbers)) ctx.metric(key, value, { policy });
    if (failures > 0) ctx.log(`${policy}: ${failures} requests failed`, "warn");
  }
  for (const [key, value] of Object.entries(calibration)) ctx.metric(key, value);
  ctx.series("quantiles", quantileSeries(rows));
  ctx.series("requests", requestSeries(comparisons));
  ctx.series("policies", {
    kind: "table",
    columns: [
      { key: "policy", title: "Policy", type: "text" },
      ...Object.keys(rows[0] ?? {})
        .filter((key) => key !== "policy")
        .map((key) => ({ key, ...(COLUMNS[key] ?? { title: key }), type: "number" as const })),
    ],
    rows,
  });
  ctx.series("assumptions", assumptionTable(notesOf(plan, calibration, speedUp)));
  const [first] = rows;
  if (first === undefined) return {};
  const { policy, failures, ...own } = first;
  for (const [key, value] of Object.entries(own)) ctx.metric(key, value);
  return { ...own, ...calibration, policy, failures };
}

const COLUMNS: Readonly<Record<string, { title: string; unit?: string }>> = {
  measuredP50Ms: { title: "p50 measured", unit: "ms" },
  predictedP50Ms: { title: "p50 predicted", unit: "ms" },
  ratioP50: { title: "p50 ratio" },
  measuredP95Ms: { title: "p95 measured", unit: "ms" },
  predictedP95Ms: { title: "p95 predicted", unit: "ms" },
  ratioP95: { title: "p95 ratio" },
  measuredColdRate: { title: "Cold, measured", unit: "%" },
  predictedColdRate: { title: "Cold, predicted", unit: "%" },
  latenessP99Ms: { title: "Driver late, p99", unit: "ms" },
  failures: { title: "Failed" },
};

function rowOf({ policy, measured, predicted }: PolicyComparison) {
  const real = answered(measured.responseMs);
  const simulated = answered(predicted.responseMs);
  const share = (flags: Uint8Array) =>
    (100 * flags.reduce((sum, flag) => sum + flag, 0)) / Math.max(1, flags.length);
  const [measuredP50Ms, measuredP95Ms] = [quantileOf(real, 0.5), quantileOf(real, 0.95)];
  const [predictedP50Ms, predictedP95Ms] = [
    quantileOf(simulated, 0.5),
    quantileOf(simulated, 0.95),
  ];
  return {
    policy,
    measuredP50Ms,
    predictedP50Ms,
    ratioP50: measuredP50Ms / predictedP50Ms,
    measuredP95Ms,
    predictedP95Ms,
    ratioP95: measuredP95Ms / predictedP95Ms,
    measuredColdRate: share(measured.isCold),
    predictedColdRate: share(predicted.isCold),
    latenessP99Ms: quantileOf(Float64Array.from(measured.latenessMs).sort(), 0.99),
    failures: measured.failures.length,
  };
}

function quantileSeries(rows: readonly ReturnType<typeof rowOf>[]) {
  const group = (
    name: string,
    key: "measuredP50Ms" | "predictedP50Ms" | "measuredP95Ms" | "predictedP95Ms",
  ) => ({
    name,
    values: rows.map((row) => (Number.isFinite(row[key]) ? row[key] : null)),
  });
  return {
    kind: "bars" as const,
    categoryLabel: "policy",
    categories: rows.map(({ policy }) => policy),
    valueLabel: "response",
    valueUnit: "ms",
    groups: [
      group("p50 measured", "measuredP50Ms"),
      group("p50 predicted", "predictedP50Ms"),
      group("p95 measured", "measuredP95Ms"),
      group("p95 predicted", "predictedP95Ms"),
    ],
  };
}

/** Each request where it was predicted and where it was measured. */
function requestSeries(comparisons: readonly PolicyComparison[]) {
  const most = comparisons.reduce(
    (so, { predicted }) => answered(predicted.responseMs).reduce((a, b) => Math.max(a, b), so),
    1,
  );
  return {
    kind: "scatter" as const,
    x: { label: "predicted response", unit: "ms" },
    y: { label: "measured response", unit: "ms" },
    groups: comparisons.map(({ policy, measured, predicted }) => ({
      name: policy,
      points: Array.from(predicted.responseMs)
        .map((x, i) => ({ x, y: measured.responseMs[i] as number }))
        .filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))
        .slice(0, POINTS_MAX),
    })),
    bounds: [
      {
        name: "as predicted",
        points: [
          { x: 0, y: 0 },
          { x: most, y: most },
        ],
      },
    ],
  };
}

function notesOf(plan: TestbedPlan, calibration: Calibration, speedUp: number): string[] {
  const { coldStartMs, overheadMs, stretch } = calibration;
  return [
    `the trace runs ${speedUp} times as fast as it was; round trips are not sped up`,
    `${plan.nodes.length} nodes, each an OpenFaaS provider with one core of ${plan.cpuShare} real cores`,
    "functions are processes that burn CPU time; latencies between sites are injected by waiting",
    `calibrated before the run: start ${coldStartMs.toFixed(0)} ms, overhead ` +
      `${overheadMs.toFixed(2)} ms a request, work takes ${stretch.toFixed(3)} times as long`,
    "user, gateway, nodes and functions share this machine: another load on it is measured too",
  ];
}

function answered(responseMs: Float64Array): Float64Array {
  return responseMs.filter((ms) => !Number.isNaN(ms)).sort();
}
