import type { SeriesInput } from "@fmlab/experiment";
import type { Cluster } from "../cluster/cluster.ts";
import type { ClusterJudgement } from "../cluster/judge-cluster.ts";
import { PHASE_TITLES } from "../measurement/phase-titles.ts";
import { PHASES } from "../measurement/trail.ts";
import type { FaultPlan } from "./faults.ts";

/** Where the time of committed transactions went. */
export function criticalPathSeries({ summary }: ClusterJudgement, protocol: string): SeriesInput {
  const { timeByPhase } = summary;
  return {
    kind: "bars",
    categoryLabel: "protocol",
    categories: [protocol],
    valueLabel: "mean time",
    valueUnit: "ms",
    arrangement: "stacked",
    groups: PHASES.map((phase) => ({
      name: PHASE_TITLES[phase],
      values: [timeByPhase === undefined ? null : timeByPhase[phase].meanMs],
    })),
  };
}

/** When validators were gone, and when they were cut off. */
export function faultSeries({ site }: Cluster, { spans }: FaultPlan): SeriesInput {
  const { topology, directory } = site;
  const lanes = topology.chains.flatMap(({ id, name }) =>
    directory.nodesOf(id).map((_, index) => `${name}/${index}`),
  );
  return {
    kind: "timeline",
    lanes,
    events: spans.map(({ node, what, startMs, endMs }) => ({
      lane: node,
      startMs,
      endMs,
      label: what,
      category: what,
    })),
    note: "Time since the cluster was set up; a cut divides every committee in two halves",
  };
}

/** What every oracle says of the stored blocks. */
export function oracleTable(
  { verdicts }: ClusterJudgement,
  isDemanded: (oracle: string) => boolean,
): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "oracle", title: "Oracle", type: "text" },
      { key: "verdict", title: "Verdict", type: "text" },
      { key: "violations", title: "Violations", type: "number" },
      { key: "found", title: "First thing found", type: "text" },
    ],
    rows: verdicts.map(({ oracle, passed, violationCount, violations }) => ({
      oracle,
      verdict: passed ? "holds" : isDemanded(oracle) ? "BROKEN" : "not promised",
      violations: violationCount,
      found: violations[0]?.what ?? "",
    })),
  };
}

/** How far each chain came. */
export function chainTable({ site }: Cluster, judgement: ClusterJudgement): SeriesInput {
  const { heights, stateRoots } = judgement;
  return {
    kind: "table",
    columns: [
      { key: "chain", title: "Chain", type: "text" },
      { key: "height", title: "Height", type: "number" },
      { key: "stateRoot", title: "State root", type: "text" },
    ],
    rows: site.topology.chains.map(({ id, name }) => ({
      chain: name,
      height: heights[id] ?? 0,
      stateRoot: stateRoots[id] ?? "",
    })),
  };
}
