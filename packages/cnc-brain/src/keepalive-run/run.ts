import type { RunContext, SeriesInput, Summary } from "@fmlab/experiment";
import { createPrng } from "@fmlab/sim";
import type { KeepaliveConfig } from "../definitions/keepalive.ts";
import { buildWorkload } from "../workload/build-workload.ts";
import { assumptionTable, breathe, workloadSettings } from "../workload/run-settings.ts";
import type { Workload } from "../workload/workload.ts";
import { autoscalerTable, compareAutoscalers } from "./compare-autoscalers.ts";
import { cellsOf, type KeepalivePoint, measurePoint } from "./measure-point.ts";

/**
 * Runs `cnc-brain.keepalive`: one node, the same requests under every policy at every setting.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED` | `BAD_CONFIG`
 * @throws CncError for traces that cannot be read
 */
export async function run(ctx: RunContext, config: KeepaliveConfig): Promise<Summary> {
  const settings = await workloadSettings(ctx, config);
  const target = { siteCount: 1, load: 1 };
  const workload = buildWorkload(settings, target, createPrng(ctx.seed, "keepalive"));
  ctx.log(`${workload.trace.count} requests of ${workload.functions.length} functions`);
  const cells = cellsOf(config, workload);
  const points: KeepalivePoint[] = [];
  for (const [i, cell] of cells.entries()) {
    ctx.progress(i, cells.length, `${cell.policy}, ${cell.setting}`);
    await breathe(ctx);
    const point = measurePoint(workload, cell);
    const axes = { policy: point.policy, step: i };
    ctx.metric("coldStartRate", point.coldStartRate, axes);
    ctx.metric("idleMemoryGbHours", point.idleMemoryGbHours, axes);
    ctx.metric("coldDelayMsMean", point.coldDelayMsMean, axes);
    points.push(point);
  }
  ctx.progress(cells.length, cells.length);
  const autoscalers = compareAutoscalers(workload, config);
  return report(ctx, points, workload, autoscalers);
}

function report(
  ctx: RunContext,
  points: readonly KeepalivePoint[],
  workload: Workload,
  autoscalers: ReturnType<typeof compareAutoscalers>,
): Summary {
  const policies = [...new Set(points.map(({ policy }) => policy))];
  ctx.series("front", frontSeries(points, policies));
  ctx.series("points", pointTable(points));
  ctx.series("autoscalers", autoscalerTable(autoscalers.rows));
  const notes = [
    ...workload.notes,
    `autoscalers: ${autoscalers.requests} requests of ${autoscalers.functionName}`,
    "one node, cores without limit; the oracle and ours know containers' sizes and cold starts",
  ];
  ctx.series("assumptions", assumptionTable(notes));
  const ours = points.filter(({ policy }) => policy === "index");
  const others = points.filter(({ policy }) => policy !== "index" && policy !== "oracle");
  const unbeaten = ours.filter((own) => !others.some((other) => beats(other, own)));
  const shown = nearestTo(ours, points) ?? points[0];
  const overall = {
    coldStartRate: shown?.coldStartRate ?? null,
    idleMemoryGbHours: shown?.idleMemoryGbHours ?? null,
    coldDelayMsMean: shown?.coldDelayMsMean ?? null,
    frontShare: ours.length === 0 ? null : (100 * unbeaten.length) / ours.length,
  };
  for (const [key, value] of Object.entries(overall)) if (value !== null) ctx.metric(key, value);
  return {
    ...overall,
    requests: workload.trace.count,
    autoscalers: autoscalers.rows,
    points: points.map(({ settings: _, ...point }) => point),
  };
}

/** At least as good in both, better in one. */
function beats(a: KeepalivePoint, b: KeepalivePoint): boolean {
  const isNoWorse =
    a.coldStartRate <= b.coldStartRate && a.idleMemoryGbHours <= b.idleMemoryGbHours;
  return (
    isNoWorse && (a.coldStartRate < b.coldStartRate || a.idleMemoryGbHours < b.idleMemoryGbHours)
  );
}

/** Of ours, the point with the most memory that is not above what ten fixed minutes take. */
function nearestTo(
  ours: readonly KeepalivePoint[],
  points: readonly KeepalivePoint[],
): KeepalivePoint | undefined {
  const fixed = points.find(
    ({ policy, settings }) => policy === "fixed" && settings.keepMs === 6e5,
  );
  const limit = fixed?.idleMemoryGbHours ?? Number.POSITIVE_INFINITY;
  return ours
    .filter(({ idleMemoryGbHours }) => idleMemoryGbHours <= limit)
    .sort((a, b) => b.idleMemoryGbHours - a.idleMemoryGbHours)[0];
}

function frontSeries(points: readonly KeepalivePoint[], policies: readonly string[]): SeriesInput {
  return {
    kind: "scatter",
    x: { label: "idle memory", unit: "GB h", better: "lower" },
    y: { label: "cold starts", unit: "%", better: "lower" },
    groups: policies.map((name) => ({
      name,
      joined: true,
      points: points
        .filter(({ policy }) => policy === name)
        .sort((a, b) => a.idleMemoryGbHours - b.idleMemoryGbHours)
        .map(({ idleMemoryGbHours, coldStartRate, setting }) => ({
          x: idleMemoryGbHours,
          y: coldStartRate,
          label: `${name}, ${setting}`,
        })),
    })),
    front: true,
  };
}

function pointTable(points: readonly KeepalivePoint[]): SeriesInput {
  const number = (key: string, title: string, unit = "") => ({
    key,
    title,
    unit,
    type: "number" as const,
  });
  return {
    kind: "table",
    columns: [
      { key: "policy", title: "Policy", type: "text" },
      { key: "setting", title: "Setting", type: "text" },
      number("coldStartRate", "Cold starts", "%"),
      number("idleMemoryGbHours", "Idle memory", "GB h"),
      number("coldDelayMsMean", "Delay, mean", "ms"),
      number("evicted", "Evicted"),
      number("prewarmed", "Started ahead"),
    ],
    rows: points.map(({ settings: _, ...row }) => row),
  };
}
