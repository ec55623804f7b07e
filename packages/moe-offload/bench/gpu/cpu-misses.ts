import type { DeviceName } from "../../src/engine/device/device-names.ts";
import { STRATEGIES, type StrategyName } from "../../src/offload/strategies.ts";
import { evaluateText } from "./evaluated-text.ts";
import { compareRows, type LogitComparison } from "./logit-comparison.ts";
import { type BenchModel, openOn } from "./open-model.ts";
import { areClose, splitGraphs } from "./parity-on-model.ts";

/** Fast memory, as a share of what all experts take. */
const BUDGET_SHARES = [0.2, 0.5] as const;
const CPU_STRATEGIES = ["load-on-demand", "lru"] as const satisfies readonly StrategyName[];
const CPU_THREADS = 2;

/** A strategy whose misses the CPU computes, against all experts resident on the device. */
export interface CpuMissResult {
  readonly strategy: StrategyName;
  readonly budgetShare: number;
  /** Experts that the CPU computed; 0 would prove nothing. */
  readonly cpuComputed: number;
  readonly comparison: LogitComparison;
}

/** Missed experts computed on the CPU, token by token along one text. */
export function compareCpuMisses(
  model: BenchModel,
  device: DeviceName,
  tokens: Int32Array,
): CpuMissResult[] {
  const contextLength = tokens.length;
  const resident = openOn(model, { device, contextLength });
  const { logits } = splitGraphs(resident.engine, () => evaluateText(resident.engine, tokens));
  resident.close();
  const cells = CPU_STRATEGIES.flatMap((strategy) =>
    BUDGET_SHARES.map((budgetShare) => ({ strategy, budgetShare })),
  );
  return cells.map(({ budgetShare, strategy }) => {
    const opened = openOn(model, {
      ...{ device, contextLength, strategy: STRATEGIES[strategy] },
      budgetBytes: Math.ceil(budgetShare * model.expertBytes),
      host: { budgetBytes: 2 * model.expertBytes, mode: "pinned", preload: true },
      cpuExperts: { threads: CPU_THREADS, choice: "always" },
    });
    try {
      const comparison = compareRows(logits, evaluateText(opened.engine, tokens).logits);
      const { cpuComputed } = opened.scheduler.counts;
      return { strategy, budgetShare, cpuComputed, comparison };
    } finally {
      opened.close();
    }
  });
}

/** Whether all are within the tolerance that devices are held to, and the CPU computed at all. */
export function areCpuMissesClose(results: readonly CpuMissResult[]): boolean {
  return results.every(({ comparison, cpuComputed }) => cpuComputed > 0 && areClose(comparison));
}
