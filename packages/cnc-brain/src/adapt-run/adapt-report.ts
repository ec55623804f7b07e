import type { RunContext, Summary } from "@fmlab/experiment";
import type { AdaptiveScheduler, EpochRecord } from "../adapt/adaptive-scheduler.ts";
import type { AdaptConfig } from "../definitions/adapt.ts";
import { type Explanation, wholeShare } from "../governance/explain.ts";
import {
  type AutonomyEvidence,
  autonomyTable,
  gradeAutonomy,
} from "../governance/intelligence-level.ts";
import { coverageOfTrace } from "../perception/trace-coverage.ts";
import { noMigrations } from "../simulator/migrator.ts";
import type { SimulationResult } from "../simulator/result.ts";
import { assumptionTable } from "../workload/run-settings.ts";
import { costByEpoch, costsOf, meanOf, recoveryOf, worstActing } from "./recovery.ts";
import type { AdaptSetting } from "./run.ts";

const EPOCHS_SHOWN = 400;
/** Ten SLOs, and 1 for the miss. */
const COST_MAX = 11;

/** What a run found. */
export interface AdaptFindings {
  results: Record<string, SimulationResult>;
  epochs: readonly EpochRecord[];
  adaptive: AdaptiveScheduler;
  explanations: readonly Explanation[];
}

/** Tells metrics and pictures of a run. */
export function reportAdaptation(
  ctx: Pick<RunContext, "metric" | "series">,
  config: AdaptConfig,
  setting: AdaptSetting,
  findings: AdaptFindings,
): Summary {
  const { results, epochs, adaptive } = findings;
  const { epochMs, shiftMs, shifted } = setting;
  const shiftEpoch = Math.round(shiftMs / epochMs);
  const costs = new Map(
    Object.entries(results).map(([name, result]) => [
      name,
      costByEpoch(result, shifted.trace, epochMs),
    ]),
  );
  const rows = [...costs].map(([policy, cost]) => ({
    policy,
    before: meanOf(cost, 0, shiftEpoch),
    after: meanOf(cost, shiftEpoch, cost.length),
  }));
  for (const { policy, before, after } of rows) {
    ctx.metric("costBefore", before, { policy });
    ctx.metric("costAfter", after, { policy });
  }
  const reference = rows.reduce((best, one) => (one.after < best.after ? one : best)).policy;
  const of = (name: string) => costs.get(name) ?? new Float64Array();
  const recovery = recoveryOf(
    { frozen: of("unchanged"), adaptive: of("adaptive"), reference: of(reference) },
    shiftEpoch,
    epochMs,
    { windowEpochs: config.recoverEpochs, share: config.recoverShare },
  );
  const own = {
    recovered: 100 * recovery.recovered,
    recoverySeconds: recovery.recoveryMs / 1000,
    lost: recovery.lost,
    costBefore: rows[0]?.before ?? Number.NaN,
    costAfter: rows[0]?.after ?? Number.NaN,
    ...driftsOf(epochs, shiftMs),
    actingShare: (100 * epochs.filter(isActing).length) / Math.max(1, epochs.length),
    worstLoss: adaptive.worstLoss,
    actedLoss: actedLoss(setting, results, epochs),
    lossBound: config.lossBudget + COST_MAX * Math.max(0, ...epochs.map((e) => e.requests)),
    ...movesOf(results.adaptive),
    overruled: adaptive.overruled,
  };
  for (const [key, value] of Object.entries(own)) ctx.metric(key, value);
  ctx.series("costs", costSeries(costs, epochMs));
  ctx.series("epochs", epochTable(epochs));
  ctx.series("policies", {
    kind: "table",
    columns: [
      { key: "policy", title: "Policy", type: "text" },
      { key: "before", title: "Cost before", type: "number" },
      { key: "after", title: "Cost after", type: "number" },
    ],
    rows,
  });
  const level = gradeAutonomy(evidenceOf(setting, findings, recovery.recovered));
  ctx.series("autonomy", autonomyTable(level));
  ctx.series("assumptions", assumptionTable(notesOf(config, setting, reference)));
  const known = Object.entries(own).filter(([, value]) => Number.isFinite(value));
  const { note } = shifted;
  return { ...Object.fromEntries(known), reference, shift: note, autonomyLevel: level.level };
}

function evidenceOf(
  { shifted, workload }: AdaptSetting,
  { results, explanations }: AdaptFindings,
  recovered: number,
): AutonomyEvidence {
  const { retryCount = 0, lostCount = 0, snapshots } = results.adaptive ?? {};
  return {
    automaticDecisionShare: 1,
    snapshotAgeMs: snapshots?.ageMsMean,
    forecastCoverage: coverageOfTrace(shifted.trace, workload.functions.length),
    // There are no rules in this run; a choice outside the mask is an error that ends it.
    policyViolations: 0,
    explainedShare: wholeShare(explanations),
    recoveredShare: retryCount === 0 ? undefined : 1 - lostCount / retryCount,
    hasGatedLearning: true,
    adaptationRecovery: Number.isNaN(recovered) ? undefined : recovered,
  };
}

/** What acting cost in truth, against the fall-back alone on the same requests. */
function actedLoss(
  { shifted }: AdaptSetting,
  { adaptive, "fall-back": fallback }: AdaptFindings["results"],
  epochs: readonly EpochRecord[],
): number {
  if (adaptive === undefined || fallback === undefined) return Number.NaN;
  const costs = {
    adaptive: costsOf(adaptive, shifted.trace),
    fallback: costsOf(fallback, shifted.trace),
  };
  const spells: { fromMs: number; toMs: number }[] = [];
  epochs.forEach((epoch, i) => {
    if (!isActing(epoch)) return;
    const toMs = epochs[i + 1]?.atMs ?? Number.POSITIVE_INFINITY;
    const last = spells.at(-1);
    if (last?.toMs === epoch.atMs) last.toMs = toMs;
    else spells.push({ fromMs: epoch.atMs, toMs });
  });
  return worstActing(costs, shifted.trace.arrivalMs, spells);
}

/** What was moved; zeros where nothing was to be. */
function movesOf(result: SimulationResult | undefined) {
  const { jobs, containers, stateMb } = result?.migrations ?? noMigrations();
  return { movedJobs: jobs, movedContainers: containers, movedStateMb: stateMb };
}

function driftsOf(epochs: readonly EpochRecord[], shiftMs: number) {
  const drifts = epochs.filter(({ drift }) => drift !== "");
  // What a lost node interrupts is placed anew at the very moment of the shift.
  const after = drifts.find(({ atMs }) => atMs >= shiftMs);
  return {
    detectionSeconds: after === undefined ? Number.NaN : (after.atMs - shiftMs) / 1000,
    falseDrifts: drifts.filter(({ atMs }) => atMs < shiftMs).length,
  };
}

const isActing = ({ acting, version }: EpochRecord) => acting === version;

function costSeries(costs: ReadonlyMap<string, Float64Array>, epochMs: number) {
  const length = Math.min(...[...costs.values()].map((cost) => cost.length));
  return {
    kind: "line" as const,
    xLabel: "time, s",
    yLabel: "mean cost",
    x: Array.from({ length }, (_, epoch) => (epoch * epochMs) / 1000),
    curves: [...costs].map(([name, cost]) => ({
      name,
      y: Array.from(cost.slice(0, length), (value) => (Number.isNaN(value) ? null : value)),
    })),
  };
}

function epochTable(epochs: readonly EpochRecord[]) {
  const number = (key: string, title: string, unit = "") => ({
    key,
    title,
    unit,
    type: "number" as const,
  });
  const text = (key: string, title: string) => ({ key, title, type: "text" as const });
  const value = (x: number) => (Number.isFinite(x) ? x : null);
  return {
    kind: "table" as const,
    columns: [
      number("second", "Time", "s"),
      number("requests", "Requests"),
      text("acting", "Acts next"),
      text("verdict", "Gate"),
      number("advantage", "Advantage"),
      number("lowerBound", "Lower bound"),
      text("drift", "Drift"),
    ],
    rows: epochs.slice(0, EPOCHS_SHOWN).map((epoch) => ({
      second: epoch.atMs / 1000,
      requests: epoch.requests,
      acting: epoch.acting,
      verdict: epoch.verdict,
      advantage: value(epoch.advantage),
      lowerBound: value(epoch.lowerBound),
      drift: epoch.drift,
    })),
  };
}

function notesOf(config: AdaptConfig, { cluster, workload, shifted }: AdaptSetting, best: string) {
  return [
    shifted.note,
    `reference after the shift: ${best}, the least cost of the four`,
    "unchanged: the first candidate, acting from the start without a gate",
    "hindsight: the same learner taught with the requests after the shift",
    "the twin draws durations around the functions' means; it does not see those to come",
    config.migrate
      ? "adaptive: its containers and jobs move too; the others' stay"
      : "nothing moves but what a failure interrupts",
    "twin and learning take no virtual time: they run beside the gateway",
    `drift: ${config.detector} on ln of cost and requests in ${config.binSeconds} s; nodes at once`,
    ...cluster.notes,
    ...workload.notes,
  ];
}
