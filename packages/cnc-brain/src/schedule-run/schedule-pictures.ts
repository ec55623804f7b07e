import type { SeriesInput } from "@fmlab/experiment";
import type { PolicyRun, Setting } from "./compare-policies.ts";

/** How much of a run its Gantt chart shows. */
const PLACEMENTS_MAX = 400;
const LANES_MAX = 24;
/** Bands of load that nodes are grouped by on the map. */
const BANDS = [
  [0, 0.3, "below 30 %"],
  [0.3, 0.6, "30 to 60 %"],
  [0.6, 0.85, "60 to 85 %"],
  [0.85, 9, "above 85 %"],
] as const;

/** Responses of all policies. */
export function responseSeries(runs: readonly PolicyRun[]): SeriesInput {
  const group = (name: string, of: (run: PolicyRun) => number) => ({
    name,
    values: runs.map((run) => {
      const value = of(run);
      return Number.isFinite(value) ? value : null;
    }),
  });
  return {
    kind: "bars",
    categoryLabel: "policy",
    categories: runs.map(({ name }) => name),
    valueLabel: "response",
    valueUnit: "ms",
    groups: [
      group("mean", ({ summary }) => summary.responseMsMean),
      group("p50", ({ summary }) => summary.responseMsP50),
      group("p95", ({ summary }) => summary.responseMsP95),
      group("p99", ({ summary }) => summary.responseMsP99),
    ],
  };
}

/** Cost of responses against price. */
export function costSeries(runs: readonly PolicyRun[]): SeriesInput {
  return {
    kind: "scatter",
    x: { label: "price of the run", better: "lower" },
    y: { label: "cost of responses", better: "lower" },
    groups: runs.map(({ name, summary }) => ({
      name,
      points: [{ x: summary.price, y: summary.placementCost, label: name }],
    })),
    front: true,
  };
}

/** Nodes where they stand, grouped by how busy they were. */
export function mapSeries({ cluster }: Setting, { result, name }: PolicyRun): SeriesInput {
  const { topology, network } = cluster;
  const placed = result.nodes.map(({ spec, coreMs, upMs }, i) => {
    const site = topology?.sites[spec.site];
    const load = upMs > 0 ? coreMs / (upMs * spec.cores) : 0;
    const siteName = network.siteNames[spec.site] ?? "";
    return {
      load,
      point: {
        // Nodes of one site side by side; without a map, sites in a row.
        x: (site?.longitude ?? spec.site * 10) + (i % 5) * 0.4,
        y: site?.latitude ?? 0,
        label: `${spec.name} in ${siteName}: ${(100 * load).toFixed(0)} %`,
      },
    };
  });
  return {
    kind: "scatter",
    x: { label: topology === undefined ? "site" : "longitude", unit: topology ? "degrees" : "" },
    y: { label: topology === undefined ? "row" : "latitude", unit: topology ? "degrees" : "" },
    groups: BANDS.flatMap(([from, to, title]) => {
      const points = placed
        .filter(({ load }) => load >= from && load < to)
        .map(({ point }) => point);
      return points.length === 0 ? [] : [{ name: title, points }];
    }),
    note: `under ${name}; nodes of one site are drawn side by side`,
  };
}

/** The first counted requests as bars on their nodes. */
export function placementSeries(setting: Setting, { result, name }: PolicyRun): SeriesInput {
  const { trace, functions } = setting.workload;
  const lanes = result.nodes.slice(0, LANES_MAX).map(({ spec }) => spec.name);
  const zeroMs = trace.arrivalMs[result.countedFrom] ?? 0;
  const events: {
    lane: number;
    startMs: number;
    endMs: number;
    label: string;
    category: string;
  }[] = [];
  for (let id = result.countedFrom; id < trace.count && events.length < PLACEMENTS_MAX; id++) {
    const lane = result.node[id] as number;
    const spec = result.nodes[lane]?.spec;
    const fn = functions[trace.functionIndex[id] as number];
    if (lane >= lanes.length || spec === undefined || fn === undefined) continue;
    const speed = fn.accelerators > 0 ? spec.acceleratorSpeed : spec.speed;
    const startMs = (trace.arrivalMs[id] as number) - zeroMs + (result.delayMs[id] as number);
    events.push({
      lane,
      startMs,
      endMs: startMs + (trace.durationMs[id] as number) / speed,
      label: `${fn.name}, request ${id}`,
      category: result.isCold[id] === 1 ? "after a cold start" : "warm",
    });
  }
  return {
    kind: "timeline",
    lanes,
    events,
    note: `${name}: the first ${events.length} of ${trace.count} requests, run time at full speed`,
  };
}
