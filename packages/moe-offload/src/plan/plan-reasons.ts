import { hitRate, type Plan, type PlanOption, speedOf } from "../planner/plan.ts";
import { tellLink } from "../planner/planner-machine.ts";
import type { PlanRunResult } from "./plan-job.ts";

/** One thing a plan was decided from. */
export interface Reason {
  readonly question: string;
  readonly answer: string;
}

const MIB = 2 ** 20;

/** Why a plan is what it is, in sentences with the numbers it was decided from. */
export function explainPlan(result: PlanRunResult, plan: Plan): Reason[] {
  const { facts, fate, link, machine } = result;
  const { bottleneck, chosen, sensitivity } = plan;
  const now = speedOf(chosen);
  const gain = (one: keyof typeof sensitivity) => `${one} ${times(sensitivity[one] / now)}`;
  return [
    { question: "What fits?", answer: tellMemory(result, plan) },
    { question: "Which strategy?", answer: tellChoice(plan) },
    { question: "Is prefetching worth it?", answer: tellPrefetch(plan) },
    { question: "How are slots shared out?", answer: tellSizes(plan) },
    {
      question: "What limits the speed?",
      answer:
        `${bottleneck}: with one part twice as good the speed would rise by ` +
        `${gain("compute")}, ${gain("link")}, ${gain("latency")}.`,
    },
    {
      question: "What would Fate prefetch?",
      answer:
        `floor(${fate.layerMs.toFixed(3)} ms a layer / ${fate.transferMs.toFixed(3)} ms an expert) = ` +
        `${fate.width} experts a layer; a token uses ${facts.expertUsedCount}.`,
    },
    { question: "Batches of many texts?", answer: tellGroup(result, plan) },
    {
      question: "Why is nothing computed in place?",
      answer:
        "A plan can compute an expert where it lies only when a second device computes; here only " +
        "the processor that owns fast memory does, so a missing expert is always transferred.",
    },
    { question: "On what machine?", answer: `${machine.title}; link: ${tellLink(link)}.` },
    { question: "On what routing?", answer: `${facts.routing}.` },
    {
      question: "How sure?",
      answer:
        `${plan.interval.low.toFixed(1)} to ${plan.interval.high.toFixed(1)} tokens/s over stretches ` +
        "of this text, 95 %; errors of measured or assumed times are not in it.",
    },
    ...machine.assumptions.map((answer) => ({ question: "Taken from", answer })),
  ];
}

function tellMemory({ facts }: PlanRunResult, plan: Plan): string {
  const { contextTokens, expertBudgetBytes, kvBytes, memoryBytes } = plan;
  const share = (100 * expertBudgetBytes) / facts.allExpertBytes;
  return (
    `${mebibytes(memoryBytes)} hold a KV cache of ${contextTokens} tokens (${mebibytes(kvBytes)}) and ` +
    `${mebibytes(expertBudgetBytes)} of ${mebibytes(facts.allExpertBytes)} of experts ` +
    `(${share.toFixed(0)} %); the other weights (${mebibytes(facts.denseBytes)}) come on top.`
  );
}

function tellChoice({ chosen, options }: Plan): string {
  const second = options.find(({ candidate }) => candidate.name !== chosen.candidate.name);
  const last = options.at(-1);
  const told = `${chosen.candidate.title}: ${tellOption(chosen)}`;
  if (!second || !last) return `${told}; nothing is ever loaded.`;
  return `${told}; next best: ${second.candidate.title}, ${tellOption(second)}; slowest: ${
    last.candidate.title
  }, ${tellOption(last)}.`;
}

function tellPrefetch({ options }: Plan): string {
  const speed = (name: string) => {
    const found = options.find(({ candidate }) => candidate.name === name);
    return found && speedOf(found);
  };
  const pairs: [string, number | undefined, number | undefined][] = [
    ["reuse score", speed("ours"), speed("ours-no-prefetch")],
    ["LRU (mixtral-offloading)", speed("mixtral-offloading"), speed("lru")],
  ];
  const told = pairs.flatMap(([name, fast, plain]) =>
    fast === undefined || plain === undefined
      ? []
      : [`${name}: ${fast.toFixed(1)} tokens/s with it, ${plain.toFixed(1)} without`],
  );
  return told.length > 0 ? `${told.join("; ")}.` : "Nothing is missing, so nothing is prefetched.";
}

function tellSizes({ chosen, options }: Plan): string {
  const find = (name: string) => options.find(({ candidate }) => candidate.name === name);
  const sized = find("ours-no-prefetch-sized");
  const equal = find("ours-no-prefetch");
  if (!sized || !equal) return "Every expert has a slot.";
  const slots = chosen.prediction.slots.join(" ");
  return (
    `Sized by miss curves x waiting ${speedOf(sized).toFixed(1)} tokens/s, equally ` +
    `${speedOf(equal).toFixed(1)}; the plan's layers have ${slots} slots.`
  );
}

function tellGroup({ groups, plans }: PlanRunResult, plan: Plan): string {
  const group = groups[plans.indexOf(plan)];
  if (!group) return "Not even one batch fits beside two layers of experts.";
  const { plan: found, sequencesPerBatch, tokensPerSecondMax } = group;
  const wanted =
    found.batchesWanted === null ? "no number hides all transfers" : `${found.batchesWanted} would`;
  const texts = found.batches * sequencesPerBatch;
  return (
    `${texts} texts at once in ${found.batches} batches of ${sequencesPerBatch} give at most ` +
    `${tokensPerSecondMax.toFixed(1)} tokens/s together, ${(tokensPerSecondMax / texts).toFixed(1)} ` +
    `each (bound by ${found.boundBy}; ${wanted}), against ${speedOf(plan.chosen).toFixed(1)} for one ` +
    "text at a time."
  );
}

function tellOption(option: PlanOption): string {
  return `${speedOf(option).toFixed(1)} tokens/s, ${(100 * hitRate(option)).toFixed(1)} % hits`;
}

function times(ratio: number): string {
  return `${(100 * (ratio - 1)).toFixed(0)} %`;
}

function mebibytes(bytes: number): string {
  return `${Number((bytes / MIB).toFixed(2))} MiB`;
}
