import type { SeriesInput } from "@fmlab/experiment";
import type { Coverage } from "../perception/trace-coverage.ts";

/**
 * What a run shows of how far the brain acts by itself. Each item is measured, not claimed; items
 * that were not part of the run are undefined and count as not shown.
 */
export interface AutonomyEvidence {
  /** Share of decisions made without a person, 0..1. */
  automaticDecisionShare: number;
  /** Snapshots reach the scheduler by themselves; their mean age, ms. */
  snapshotAgeMs: number | undefined;
  /** Share of values that forecast intervals held, and the share they were meant to hold. */
  forecastCoverage: Coverage | undefined;
  policyViolations: number;
  /** Share of decisions with a full explanation, 0..1. */
  explainedShare: number;
  /** Share of failed requests that were served in the end; undefined: nothing failed. */
  recoveredShare: number | undefined;
  /** A learned policy acts behind a gate that compares it with a fall-back. */
  hasGatedLearning: boolean;
  /** Share of the lost reward that adaptation won back after a shift. */
  adaptationRecovery: number | undefined;
}

/** Steps of the ladder, from 0 to 5. */
export const AUTONOMY_LEVELS = [
  "manual",
  "assisted",
  "partial",
  "conditional",
  "high",
  "full",
] as const;

/** One step's demand and whether the evidence meets it. */
export interface LevelCheck {
  level: number;
  name: (typeof AUTONOMY_LEVELS)[number];
  demand: string;
  isMet: boolean;
}

/** The level reached: the highest one with all below it met. */
export interface LevelReport {
  level: number;
  name: (typeof AUTONOMY_LEVELS)[number];
  checks: LevelCheck[];
}

/**
 * Grades a run. The ladder is a reconstruction in the form of the published grading methods for
 * network and computing-network autonomy (manual, assisted, ... full); its demands are ours.
 */
export function gradeAutonomy(evidence: AutonomyEvidence): LevelReport {
  const { forecastCoverage: forecast, adaptationRecovery: recovery } = evidence;
  const demands: [demand: string, isMet: boolean][] = [
    ["people decide", true],
    ["the system sees its own state", evidence.snapshotAgeMs !== undefined],
    [
      "it decides most placements itself, within the policies",
      evidence.automaticDecisionShare >= 0.5 && evidence.policyViolations === 0,
    ],
    [
      "it decides all of them, explains each and forecasts with intervals that hold",
      evidence.automaticDecisionShare >= 0.999 &&
        evidence.explainedShare >= 0.999 &&
        forecast !== undefined &&
        Math.abs(forecast.found - forecast.wanted) <= 0.02,
    ],
    [
      "it serves what failures interrupted, and learns behind a gate",
      (evidence.recoveredShare ?? 0) >= 0.999 && evidence.hasGatedLearning,
    ],
    ["it recovers nine tenths of what a shift costs, by itself", (recovery ?? 0) >= 0.9],
  ];
  const checks = demands.map(([demand, isMet], level) => ({
    level,
    name: AUTONOMY_LEVELS[level] as (typeof AUTONOMY_LEVELS)[number],
    demand,
    isMet,
  }));
  const firstMissing = checks.findIndex(({ isMet }) => !isMet);
  const level = firstMissing < 0 ? AUTONOMY_LEVELS.length - 1 : firstMissing - 1;
  return { level, name: AUTONOMY_LEVELS[level] as LevelReport["name"], checks };
}

/** The ladder as a table of a run. */
export function autonomyTable({ checks }: LevelReport): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "level", title: "Level", type: "number" },
      { key: "name", title: "Name", type: "text" },
      { key: "demand", title: "Demand", type: "text" },
      { key: "isMet", title: "Shown by this run", type: "text" },
    ],
    rows: checks.map((check) => ({ ...check, isMet: check.isMet ? "yes" : "no" })),
  };
}
