import type { RunContext, SeriesInput, Summary } from "@fmlab/experiment";
import { chargeTenants, jainIndex } from "../governance/charges.ts";
import { type Explanation, wholeShare } from "../governance/explain.ts";
import { autonomyTable, gradeAutonomy } from "../governance/intelligence-level.ts";
import { coverageOfTrace } from "../perception/trace-coverage.ts";
import { assumptionTable } from "../workload/run-settings.ts";
import type { PolicyRun, Setting } from "./compare-policies.ts";
import { costSeries, mapSeries, placementSeries, responseSeries } from "./schedule-pictures.ts";

type Sink = Pick<RunContext, "metric" | "series">;

/** Everything a run found. */
export interface ScheduleFindings {
  setting: Setting;
  runs: PolicyRun[];
  /** The policy with the least cost. */
  best: PolicyRun;
  /** What no scheduler can beat: of the mean response, and of the cost. */
  bound: { responseMsMean: number; placementCost: number };
  explanations: Explanation[];
  auditHead: string | undefined;
}

/** A policy's numbers under the names of the metrics. */
function numbersOf({ summary }: PolicyRun): Record<string, number> {
  return {
    placementCost: summary.placementCost,
    responseMsMean: summary.responseMsMean,
    responseMsP50: summary.responseMsP50,
    responseMsP95: summary.responseMsP95,
    responseMsP99: summary.responseMsP99,
    sloAttainment: 100 * summary.sloAttainment,
    coldStartRate: 100 * summary.coldStartRate,
    utilisation: 100 * summary.utilisation,
    utilisationCv: summary.utilisationCv,
    price: summary.price,
    carbonG: summary.carbonG,
    snapshotAgeMs: summary.snapshotAgeMs,
    snapshotBytesPerSecond: summary.snapshotBytesPerSecond,
    decisionUsP50: summary.decisionUsP50,
    decisionUsP99: summary.decisionUsP99,
  };
}

/** Tells one policy's numbers as metrics. */
export function tellPolicy(ctx: Sink, run: PolicyRun): void {
  for (const [name, value] of Object.entries(numbersOf(run))) {
    ctx.metric(name, value, { policy: run.name });
  }
}

/** Draws the pictures and makes the summary. */
export function reportSchedule(ctx: Sink, findings: ScheduleFindings): Summary {
  const { setting, runs, best, bound } = findings;
  ctx.series("responses", responseSeries(runs));
  ctx.series("costAndPrice", costSeries(runs));
  ctx.series("map", mapSeries(setting, best));
  ctx.series("placements", placementSeries(setting, best));
  ctx.series("policies", policyTable(runs));
  ctx.series("explanations", explanationText(findings));
  ctx.series("tenants", tenantTable(setting, best));
  const level = gradeAutonomy(evidenceOf(findings));
  ctx.series("autonomy", autonomyTable(level));
  ctx.series("assumptions", assumptionTable([...setting.cluster.notes, ...setting.workload.notes]));
  const overall = { ...numbersOf(best), boundCost: bound.placementCost };
  for (const [name, value] of Object.entries(overall)) {
    if (Number.isFinite(value)) ctx.metric(name, value);
  }
  return {
    ...overall,
    bestPolicy: best.name,
    boundResponseMsMean: bound.responseMsMean,
    requests: best.summary.count,
    violations: runs.reduce((sum, { violations }) => sum + violations, 0),
    autonomyLevel: level.level,
    auditHead: findings.auditHead ?? null,
    policies: Object.fromEntries(
      runs.map((run) => [run.name, { ...run.summary, ...numbersOf(run), heldBack: run.heldBack }]),
    ),
  };
}

function evidenceOf({ best, explanations, runs, setting }: ScheduleFindings) {
  const { retryCount, snapshots, lostCount } = best.result;
  return {
    automaticDecisionShare: 1,
    snapshotAgeMs: snapshots.ageMsMean,
    forecastCoverage: coverageOfTrace(setting.workload.trace, setting.workload.functions.length),
    policyViolations: runs.reduce((sum, { violations }) => sum + violations, 0),
    explainedShare: wholeShare(explanations),
    recoveredShare: retryCount === 0 ? undefined : 1 - lostCount / retryCount,
    hasGatedLearning: false,
    adaptationRecovery: undefined,
  };
}

function policyTable(runs: readonly PolicyRun[]): SeriesInput {
  const column = (key: string, title: string, unit = "") => ({
    key,
    title,
    unit,
    type: "number" as const,
  });
  return {
    kind: "table",
    columns: [
      { key: "policy", title: "Policy", type: "text" },
      column("placementCost", "Cost"),
      column("responseMsMean", "Mean", "ms"),
      column("responseMsP50", "p50", "ms"),
      column("responseMsP95", "p95", "ms"),
      column("responseMsP99", "p99", "ms"),
      column("sloAttainment", "SLO", "%"),
      column("coldStartRate", "Cold", "%"),
      column("utilisation", "Utilisation", "%"),
      column("utilisationCv", "Imbalance"),
      column("price", "Price"),
      column("carbonG", "Carbon", "g"),
      column("snapshotAgeMs", "Snapshot age", "ms"),
      column("decisionUsP50", "Decision p50", "µs"),
      column("decisionUsP99", "Decision p99", "µs"),
      column("lost", "Lost"),
      column("violations", "Violations"),
    ],
    rows: runs.map((run) => ({
      policy: run.name,
      ...finite(numbersOf(run)),
      lost: run.result.lostCount,
      violations: run.violations,
    })),
  };
}

function finite(numbers: Record<string, number>): Record<string, number | null> {
  return Object.fromEntries(
    Object.entries(numbers).map(([key, value]) => [key, Number.isFinite(value) ? value : null]),
  );
}

function explanationText({ explanations, best }: ScheduleFindings): SeriesInput {
  return {
    kind: "text",
    blocks: explanations.map(({ request, chosen, counterfactuals, standings }) => {
      const names = chosen.map((node) => standings[node]?.name).join(" or ") || "the gateway";
      const excluded = standings.filter((one) => one.excluded !== undefined);
      const why = excluded.slice(0, 4).map(({ name, excluded: reason }) => `${name}: ${reason}`);
      return {
        title: `Request ${request.id}: ${request.functionName} of ${request.tenant}`,
        prompt: `${best.name} chose ${names}\n`,
        text: [...counterfactuals.map(({ text }) => text), ...why].join("\n"),
      };
    }),
  };
}

function tenantTable({ workload }: Setting, { result }: PolicyRun): SeriesInput {
  const charges = chargeTenants(result, workload.trace);
  const jain = jainIndex(charges.map(({ coreHours }) => coreHours));
  const sum = (of: (charge: (typeof charges)[number]) => number) =>
    charges.reduce((total, charge) => total + of(charge), 0);
  return {
    kind: "table",
    columns: [
      { key: "tenant", title: "Tenant", type: "text" },
      { key: "requests", title: "Requests", type: "number" },
      { key: "coreHours", title: "Core time", unit: "core h", type: "number" },
      { key: "memoryGbHours", title: "Memory", unit: "GB h", type: "number" },
      { key: "price", title: "Price", type: "number" },
    ],
    rows: [
      ...charges.map((charge) => ({ ...charge })),
      {
        tenant: `all; Jain's index of core time ${jain.toFixed(3)}`,
        requests: sum(({ requests }) => requests),
        coreHours: sum(({ coreHours }) => coreHours),
        memoryGbHours: sum(({ memoryGbHours }) => memoryGbHours),
        price: sum(({ price }) => price),
      },
    ],
  };
}
