import type { RunContext, Summary } from "@fmlab/experiment";
import type { PlanConfig } from "../definitions/plan.ts";
import { hitRate, type Plan, type PlanOption, speedOf } from "../planner/plan.ts";
import { tellLink } from "../planner/planner-machine.ts";
import { decodeLaunch, groupLaunch } from "./launch-config.ts";
import type { PlanRunResult } from "./plan-job.ts";
import { explainPlan } from "./plan-reasons.ts";
import {
  contextTable,
  gainTable,
  layerSizeBars,
  layerTable,
  placementTable,
  planTable,
  reasonTable,
  speedScatter,
  strategyTable,
  timeBars,
} from "./plan-series.ts";

type Sink = Pick<RunContext, "metric" | "series" | "log">;
const MIB = 2 ** 20;

/** Tells a run's plans as metrics, pictures and the summary. */
export function reportPlan(ctx: Sink, result: PlanRunResult, config: PlanConfig): Summary {
  const { plans } = result;
  plans.forEach((plan, step) => {
    ctx.metric("tokensPerSecond", speedOf(plan.chosen), { step });
    ctx.metric("hitRate", 100 * hitRate(plan.chosen), { step });
    ctx.metric("boundTokensPerSecond", plan.boundTokensPerSecond, { step });
    const gain = gainOverLoadOnDemand(plan);
    if (gain !== null) ctx.metric("gainOverLoadOnDemand", gain, { step });
    const group = result.groups[step];
    if (group) ctx.metric("groupTokensPerSecond", group.tokensPerSecondMax, { step });
  });
  const reasons = plans[0] ? explainPlan(result, plans[0]) : [];
  ctx.series("plans", planTable(result));
  ctx.series("speed", speedScatter(result));
  ctx.series("layers", layerTable(result));
  ctx.series("layerSizes", layerSizeBars(result));
  ctx.series("tokenTime", timeBars(result));
  ctx.series("strategies", strategyTable(result));
  ctx.series("gains", gainTable(result));
  ctx.series("contexts", contextTable(result));
  ctx.series("placement", placementTable(result));
  ctx.series("reasons", reasonTable(reasons));
  return summaryOf(result, config, reasons);
}

function summaryOf(
  result: PlanRunResult,
  config: PlanConfig,
  reasons: Summary["reasons"],
): Summary {
  const { facts, fate, gains, layers, link, machine, plans } = result;
  const first = plans[0] as Plan;
  const isFile = config.shape === "none";
  return {
    tokensPerSecond: speedOf(first.chosen),
    hitRate: 100 * hitRate(first.chosen),
    boundTokensPerSecond: first.boundTokensPerSecond,
    gainOverLoadOnDemand: gainOverLoadOnDemand(first),
    groupTokensPerSecond: result.groups[0]?.tokensPerSecondMax ?? null,
    model: facts,
    machine: { ...machine, link, linkText: tellLink(link) },
    fatePrefetch: fate,
    plans: plans.map((plan, i) => {
      const group = result.groups[i];
      return {
        ...planFacts(plan),
        group: group && {
          batches: group.plan.batches,
          batchesWanted: group.plan.batchesWanted,
          boundBy: group.plan.boundBy,
          sequencesPerBatch: group.sequencesPerBatch,
          tokensPerSecondMax: group.tokensPerSecondMax,
          inequalities: group.plan.inequalities,
          ...(isFile && { launch: groupLaunch(plan, group, config) }),
        },
        ...(isFile && { launch: decodeLaunch(plan, config, facts.allExpertBytes) }),
      };
    }),
    curve: result.curve.map(({ best, boundTokensPerSecond, budgetBytes }) => ({
      expertMiB: budgetBytes / MIB,
      strategy: best?.candidate.name ?? null,
      tokensPerSecond: best ? speedOf(best) : null,
      boundTokensPerSecond: boundTokensPerSecond ?? null,
    })),
    layers,
    gains,
    reasons,
  };
}

function planFacts(plan: Plan): Record<string, unknown> {
  const { chosen } = plan;
  return {
    memoryMiB: plan.memoryBytes / MIB,
    kvMiB: plan.kvBytes / MIB,
    expertMiB: plan.expertBudgetBytes / MIB,
    usedExpertMiB: chosen.prediction.usedBytes / MIB,
    contextTokens: plan.contextTokens,
    mode: plan.mode,
    strategy: chosen.candidate.name,
    title: chosen.candidate.title,
    ...chosen.candidate.strategy,
    sizing: chosen.candidate.sizing,
    slots: chosen.prediction.slots,
    stagingSlots: chosen.prediction.staging,
    tokensPerSecond: speedOf(chosen),
    tokensPerSecondLow: plan.interval.low,
    tokensPerSecondHigh: plan.interval.high,
    hitRate: 100 * hitRate(chosen),
    stallMsPerToken: chosen.prediction.result.tokenTime.stallMs,
    boundTokensPerSecond: plan.boundTokensPerSecond,
    bottleneck: plan.bottleneck,
    strategies: plan.options.map((option) => optionFacts(option)),
    contexts: plan.contexts,
  };
}

function optionFacts(option: PlanOption) {
  const { candidate, prediction } = option;
  return {
    strategy: candidate.name,
    tokensPerSecond: speedOf(option),
    hitRate: 100 * hitRate(option),
    stallMsPerToken: prediction.result.tokenTime.stallMs,
  };
}

function gainOverLoadOnDemand({ chosen, options }: Plan): number | null {
  const lazy = options.find(({ candidate }) => candidate.name === "load-on-demand");
  return lazy ? speedOf(chosen) / speedOf(lazy) : null;
}
