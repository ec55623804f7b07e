import type { Calibration } from "../../src/calibration/calibration.ts";
import { calibrationPath, readCalibration } from "../../src/calibration/calibration-file.ts";
import { isCalibrated } from "../../src/calibration/obtain.ts";
import type { DeviceName } from "../../src/engine/device/device-names.ts";
import { STRATEGIES, STRATEGY_NAMES, type StrategyName } from "../../src/offload/strategies.ts";
import { modelIdentity } from "../../src/precision/model-identity.ts";
import { type HostTierOptions, NO_HOST_TIER } from "../../src/tiers/host-tier.ts";
import { withLeast } from "./contenders.ts";
import { evaluateText } from "./evaluated-text.ts";
import { sameBits } from "./logit-comparison.ts";
import { type BenchModel, openOn } from "./open-model.ts";
import { splitGraphs } from "./parity-on-model.ts";

/** Fast memory, as a share of what all experts take. */
const BUDGET_SHARES = [0.2, 0.5, 0.8] as const;

/** Where experts come from that are not in fast memory. */
const HOST_TIERS = ["none", "pinned", "lru"] as const;
type HostName = (typeof HOST_TIERS)[number];

/** One strategy at one budget against all experts resident. */
export interface PolicyResult {
  readonly strategy: StrategyName;
  readonly budgetShare: number;
  readonly host: HostName;
  readonly tokens: number;
  /** Tokens whose logits differ in any bit. */
  readonly differentTokens: number;
  /** Experts that were brought; 0 would prove nothing. */
  readonly loads: number;
}

/** All strategies that can be tried, and those that cannot. */
export interface PolicyReport {
  readonly results: readonly PolicyResult[];
  readonly skipped: readonly { readonly strategy: StrategyName; readonly reason: string }[];
}

/** Every strategy, budget and host tier on the device, token by token along one text. */
export function comparePolicies(
  model: BenchModel,
  device: DeviceName,
  tokens: Int32Array,
  names: readonly StrategyName[] = STRATEGY_NAMES,
): PolicyReport {
  const contextLength = tokens.length;
  const resident = openOn(model, { device, contextLength });
  const expected = splitGraphs(resident.engine, () => evaluateText(resident.engine, tokens));
  resident.close();
  const path = calibrationPath(model.path);
  const calibration = readCalibration(path, model.layout, modelIdentity(model.file));
  const results: PolicyResult[] = [];
  const skipped: { strategy: StrategyName; reason: string }[] = [];
  for (const [rank, strategy] of names.entries()) {
    if (!calibration && isCalibrated(STRATEGIES[strategy])) {
      skipped.push({ strategy, reason: `it needs a calibration, and there is no ${path}` });
      continue;
    }
    for (const [index, budgetShare] of BUDGET_SHARES.entries()) {
      // One tier a budget, moved on by one a strategy: all pairs are met at a third of the time.
      const host = HOST_TIERS[(rank + index) % HOST_TIERS.length] ?? "none";
      const cell = { strategy, budgetShare, host, device, tokens, calibration };
      results.push(runCell(model, cell, expected.logits));
    }
  }
  return { results, skipped };
}

/** Whether every bit is the same, and experts were loaded at all. */
export function isIdentical({ results }: PolicyReport): boolean {
  return results.every(({ differentTokens, loads }) => differentTokens === 0 && loads > 0);
}

interface Cell {
  readonly strategy: StrategyName;
  readonly budgetShare: number;
  readonly host: HostName;
  readonly device: DeviceName;
  readonly tokens: Int32Array;
  readonly calibration: Calibration | undefined;
}

function runCell(model: BenchModel, cell: Cell, expected: readonly Float32Array[]): PolicyResult {
  const { budgetShare, calibration, device, host, strategy, tokens } = cell;
  const opened = withLeast(Math.ceil(budgetShare * model.expertBytes), (budgetBytes) =>
    openOn(model, {
      device,
      contextLength: tokens.length,
      strategy: STRATEGIES[strategy],
      budgetBytes,
      host: hostTier(host, model.expertBytes),
      calibration,
    }),
  );
  try {
    const { logits } = evaluateText(opened.engine, tokens);
    const different = logits.filter(
      (row, step) => !sameBits(row, expected[step] ?? new Float32Array(0)),
    );
    return {
      ...{ strategy, budgetShare, host, tokens: tokens.length },
      differentTokens: different.length,
      loads: Math.round((opened.lane?.counts().deliveredBytes ?? 0) / model.layout.expertBytes),
    };
  } finally {
    opened.close();
  }
}

function hostTier(name: HostName, expertBytes: number): HostTierOptions {
  if (name === "none") return NO_HOST_TIER;
  // Places in host memory are as large as the largest expert.
  if (name === "pinned") return { budgetBytes: 2 * expertBytes, mode: "pinned", preload: true };
  return { budgetBytes: Math.ceil(expertBytes / 2), mode: "lru", preload: false };
}
