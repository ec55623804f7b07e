import type { RunContext, SeriesInput, Summary } from "@fmlab/experiment";
import { createPrng } from "@fmlab/sim";
import type { KeepaliveConfig } from "../definitions/keepalive.ts";
import type { KeepAliveName } from "../keep-alive/names.ts";
import { createKeepAlive, type KeepAliveSettings } from "../keep-alive/registry.ts";
import { fixedRttNetwork } from "../network/network.ts";
import { roundRobin } from "../scheduling/round-robin.ts";
import { simulate } from "../simulator/simulate.ts";
import { PLAIN_NODE } from "../simulator/specs.ts";
import { summarise } from "../simulator/summary.ts";
import { buildWorkload } from "../workload/build-workload.ts";
import { assumptionTable, breathe, workloadSettings } from "../workload/run-settings.ts";
import type { Workload } from "../workload/workload.ts";
import { autoscalerTable, compareAutoscalers } from "./compare-autoscalers.ts";

/** Enough cores that none is ever waited for: only memory is at stake. */
const CORES = 1_000_000;
const UNLIMITED_MB = 1e9;

/** One policy at one setting. */
interface Point {
  policy: KeepAliveName;
  setting: string;
  settings: KeepAliveSettings;
  memoryMb: number;
  coldStartRate: number;
  idleMemoryGbHours: number;
  coldDelayMsMean: number;
  evicted: number;
  prewarmed: number;
}

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
  const points: Point[] = [];
  for (const [i, cell] of cells.entries()) {
    ctx.progress(i, cells.length, `${cell.policy}, ${cell.setting}`);
    await breathe(ctx);
    const point = measure(workload, cell);
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

type Cell = Pick<Point, "policy" | "setting" | "settings" | "memoryMb">;

function cellsOf(config: KeepaliveConfig, workload: Workload): Cell[] {
  return config.policies.flatMap((policy) =>
    settingsOf(policy, config, workload).map((one) => ({ policy, memoryMb: UNLIMITED_MB, ...one })),
  );
}

/** Settings of one policy, each a point. */
function settingsOf(
  policy: KeepAliveName,
  config: KeepaliveConfig,
  workload: Workload,
): (Pick<Cell, "setting" | "settings"> & { memoryMb?: number })[] {
  switch (policy) {
    case "fixed":
      return config.keepMinutes.map((minutes) => ({
        setting: `${minutes} min`,
        settings: { keepMs: minutes * 60_000 },
      }));
    case "lru":
    case "greedy-dual":
      return config.memoryFactors.map((factor) => ({
        setting: `memory x ${factor}`,
        settings: {},
        memoryMb: factor * busiestMb(workload),
      }));
    case "hybrid-histogram":
      return [{ setting: "as published", settings: {} }];
    case "index":
      return config.memoryPrices.map((memoryPrice) => ({
        setting: `price ${memoryPrice}`,
        settings: { memoryPrice, saves: "count" },
      }));
    case "oracle":
      return config.memoryPrices.map((memoryPrice) => ({
        setting: `price ${memoryPrice}`,
        settings: { memoryPrice, trace: workload.trace, saves: "count" },
      }));
  }
}

/** Most memory that requests need at once when none waits, cold starts included. */
function busiestMb({ functions, trace }: Workload): number {
  const changes: { atMs: number; byMb: number }[] = [];
  trace.functionIndex.forEach((index, id) => {
    const fn = functions[index];
    if (fn === undefined) return;
    const atMs = trace.arrivalMs[id] as number;
    changes.push({ atMs, byMb: fn.memoryMb });
    changes.push({
      atMs: atMs + (trace.durationMs[id] as number) + fn.coldStartMs,
      byMb: -fn.memoryMb,
    });
  });
  changes.sort((a, b) => a.atMs - b.atMs || a.byMb - b.byMb);
  let [inUse, most] = [0, 0];
  for (const { byMb } of changes) {
    inUse += byMb;
    most = Math.max(most, inUse);
  }
  return most;
}

function measure({ functions, trace }: Workload, cell: Cell): Point {
  const most = functions.reduce((sum, { memoryMb }) => Math.max(sum, memoryMb), 0);
  const result = simulate({
    nodes: [
      {
        ...PLAIN_NODE,
        name: "node",
        cores: CORES,
        accelerators: CORES,
        // The largest container must fit in any case.
        memoryMb: Math.max(cell.memoryMb, most),
      },
    ],
    functions,
    trace,
    network: fixedRttNetwork(["here"], 0),
    scheduler: roundRobin(),
    keepAlive: createKeepAlive(cell.policy, cell.settings),
  });
  const { coldStartRate, idleMemoryGbHours } = summarise(result);
  const delays = result.delayMs.reduce((sum, ms) => sum + (Number.isNaN(ms) ? 0 : ms), 0);
  return {
    ...cell,
    coldStartRate: 100 * coldStartRate,
    idleMemoryGbHours,
    coldDelayMsMean: delays / trace.count,
    evicted: result.containers.evicted,
    prewarmed: result.containers.prewarmed,
  };
}

function report(
  ctx: RunContext,
  points: readonly Point[],
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
function beats(a: Point, b: Point): boolean {
  const isNoWorse =
    a.coldStartRate <= b.coldStartRate && a.idleMemoryGbHours <= b.idleMemoryGbHours;
  return (
    isNoWorse && (a.coldStartRate < b.coldStartRate || a.idleMemoryGbHours < b.idleMemoryGbHours)
  );
}

/** Of ours, the point with the most memory that is not above what ten fixed minutes take. */
function nearestTo(ours: readonly Point[], points: readonly Point[]): Point | undefined {
  const fixed = points.find(
    ({ policy, settings }) => policy === "fixed" && settings.keepMs === 6e5,
  );
  const limit = fixed?.idleMemoryGbHours ?? Number.POSITIVE_INFINITY;
  return ours
    .filter(({ idleMemoryGbHours }) => idleMemoryGbHours <= limit)
    .sort((a, b) => b.idleMemoryGbHours - a.idleMemoryGbHours)[0];
}

function frontSeries(points: readonly Point[], policies: readonly string[]): SeriesInput {
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

function pointTable(points: readonly Point[]): SeriesInput {
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
    rows: points.map(({ settings: _, memoryMb: __, ...row }) => row),
  };
}
