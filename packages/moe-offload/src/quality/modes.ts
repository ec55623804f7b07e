import type { RoutingShape } from "../offload/routing.ts";
import { POLICIES } from "../policies/registry.ts";
import type { MissPolicy, Precision, TwinKind } from "../precision/names.ts";
import { simulateResidency } from "../precision/residency-simulation.ts";
import {
  LowOnMiss,
  PopularityMixture,
  type PrecisionRule,
  UniformRule,
} from "../precision/rules.ts";

/** A way of choosing precisions, as plain data. */
export type ModeSpec =
  /** Every expert in one precision. */
  | { kind: "uniform"; label: string; precision: Precision }
  /** Fate's popularity-aware mixture; `rate` is the share of low uses at most, 0..1. */
  | { kind: "mixture"; label: string; high: Precision; low: TwinKind; rate: number }
  /** Low precision for experts that a policy does not keep with so much of all expert memory. */
  | {
      kind: "miss-low";
      label: string;
      high: Precision;
      low: TwinKind;
      policy: MissPolicy;
      budgetPercent: number;
      /** Predicted experts that count as resident; see `simulateResidency`. */
      prefetchWidth: number;
    };

/** What a config says of modes. */
export interface ModeChoice {
  readonly modes: readonly (TwinKind | "mixture" | "miss-low")[];
  readonly high: "full" | "q4_0";
  readonly low: TwinKind;
  readonly mixtureRates: readonly number[];
  readonly policy: MissPolicy;
  readonly budgetsPercent: readonly number[];
  readonly prefetchWidth: number;
}

/** The modes a config asks for, each once, in a fixed order. */
export function expandModes(choice: ModeChoice): ModeSpec[] {
  const { high, low, policy, prefetchWidth } = choice;
  const specs: ModeSpec[] = [];
  for (const mode of new Set(choice.modes)) {
    if (mode === "mixture") {
      for (const rate of new Set(choice.mixtureRates)) {
        specs.push({ kind: mode, label: `mixture ${high}/${low} ${rate}`, high, low, rate });
      }
    } else if (mode === "miss-low") {
      for (const budgetPercent of new Set(choice.budgetsPercent)) {
        const prefetch = prefetchWidth > 0 ? ` + top-${prefetchWidth}` : "";
        const label = `${low} on miss, ${policy} ${budgetPercent} %${prefetch}`;
        specs.push({ kind: mode, label, high, low, policy, budgetPercent, prefetchWidth });
      }
    } else specs.push({ kind: "uniform", label: mode, precision: mode });
  }
  return specs;
}

/** Twins that modes compute with, each once. */
export function twinsOf(modes: readonly ModeSpec[]): TwinKind[] {
  const used = modes.flatMap((mode) =>
    mode.kind === "uniform" ? [mode.precision] : [mode.high, mode.low],
  );
  return [...new Set(used)].filter((precision) => precision !== "full");
}

/**
 * The rule of a mode.
 *
 * @param tierOf  number of a precision among those that are loaded
 * @param classOfLayer  class of a layer's experts
 * @throws MoeError `BUDGET_TOO_SMALL` where the policy needs more memory
 */
export function ruleOf(
  mode: ModeSpec,
  shape: RoutingShape,
  tierOf: (precision: Precision) => number,
  classOfLayer: (layer: number) => number,
): PrecisionRule {
  if (mode.kind === "uniform") return new UniformRule(tierOf(mode.precision));
  const tiers = { high: tierOf(mode.high), low: tierOf(mode.low) };
  if (mode.kind === "mixture") return new PopularityMixture(shape, tiers, mode.rate);
  const experts = shape.moeLayers.length * shape.expertCount;
  const slotCount = Math.floor((experts * mode.budgetPercent) / 100);
  const { prefetchWidth } = mode;
  const policy = POLICIES[mode.policy];
  const scheduler = simulateResidency({
    shape,
    policy,
    slotCount,
    classOfLayer,
    prefetchWidth,
  });
  return new LowOnMiss({ scheduler, shape, prefetchWidth }, tiers);
}

/** A mode's label as the label of a metric, which may hold no braces, commas, signs or spaces. */
export function metricLabel(label: string): string {
  return label.replace(/[{},=\s]+/g, "-");
}
