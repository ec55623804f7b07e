import { STRATEGIES, STRATEGY_NAMES, type Strategy } from "../offload/strategies.ts";

/** One way to run that a plan may choose. */
export interface PlanCandidate {
  readonly name: string;
  readonly title: string;
  readonly strategy: Strategy;
  /** `policy`: as the policy shares slots out by itself. `curves`: by what slots are worth. */
  readonly sizing: "policy" | "curves";
  /** The CPU computes missed experts beside the card, as many as make it fastest. */
  readonly isBesideCpu?: boolean;
}

const OFF = { control: "off", width: 0, depth: 1 } as const;
const ours: Strategy = STRATEGIES.ours;
const withoutPrefetch: Strategy = { ...ours, predictor: "none", prefetch: OFF };

/** What a plan compares where not all experts fit: published systems, and ours in four variants. */
export const CANDIDATES: readonly PlanCandidate[] = [
  ...STRATEGY_NAMES.map((name): PlanCandidate => {
    const { title } = STRATEGIES[name];
    return { name, title, strategy: STRATEGIES[name], sizing: "policy" };
  }),
  {
    name: "ours-no-prefetch",
    title: "Reuse score without prefetching",
    strategy: withoutPrefetch,
    sizing: "policy",
  },
  {
    name: "ours-sized",
    title: "Reuse score, layers sized by miss curves",
    strategy: ours,
    sizing: "curves",
  },
  {
    name: "ours-no-prefetch-sized",
    title: "Reuse score without prefetching, layers sized by miss curves",
    strategy: withoutPrefetch,
    sizing: "curves",
  },
];

/** The same with misses shared between the link and the CPU. */
export function besideCpu(candidate: PlanCandidate): PlanCandidate {
  return {
    ...candidate,
    name: `${candidate.name}-beside-cpu`,
    title: `${candidate.title}, misses shared with the CPU`,
    isBesideCpu: true,
  };
}

/** Candidates tried at every memory of a curve; the others only where a plan was asked for. */
export const SHORTLIST: readonly string[] = [
  "load-on-demand",
  "lru",
  "fate",
  "ours",
  "ours-no-prefetch",
  "ours-no-prefetch-sized",
];

/** With memory for all experts there is one way. */
export const RESIDENT: PlanCandidate = {
  name: "all-resident",
  title: "All experts resident",
  strategy: { policy: "all-resident", predictor: "none", prefetch: OFF, readyFirst: false },
  sizing: "policy",
};
