import type { PlanConfig } from "../definitions/plan.ts";
import type { GroupMode } from "../planner/group-mode.ts";
import type { Plan } from "../planner/plan.ts";
import { promptTokensOf } from "./plan-setting.ts";

const MIB = 2 ** 20;

/** A run that does what a plan says. */
export interface Launch {
  readonly kind: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** The same as arguments of `fmlab exec`. */
  readonly command: string;
}

/** The run of `moe-offload.decode` that a plan recommends; its own fields only, no defaults. */
export function decodeLaunch({ chosen }: Plan, config: PlanConfig, allExpertBytes: number): Launch {
  const { candidate, prediction } = chosen;
  const { policy, predictor, prefetch, readyFirst } = candidate.strategy;
  const isPrefetching = prefetch.control !== "off" && predictor !== "none";
  // A little more than the slots take, so that rounding never costs a slot.
  const budgetMiB = Math.ceil((prediction.usedBytes / MIB) * 1e4) / 1e4;
  return launchOf("moe-offload.decode", {
    model: config.model,
    policy,
    budgetMiB,
    ...(candidate.sizing === "curves" && { layerSizes: "miss-curves" }),
    ...(isPrefetching && { predictor, prefetch }),
    ...(readyFirst && { readyFirst }),
    ...(config.hostMiB > 0 && { host: { budgetMiB: config.hostMiB } }),
    ...(config.device !== "cpu" && { device: config.device }),
    // Experts are computed where they lie in host memory: all of them are to lie there.
    ...(candidate.isBesideCpu && {
      device: config.device === "cpu" ? "cuda" : config.device,
      host: { budgetMiB: Math.ceil(allExpertBytes / MIB), mode: "pinned" },
      cpuExperts: { threads: config.threads },
    }),
    // Decoding is throttled unless it is told not to be.
    link: config.link,
    threads: config.threads,
  });
}

/** The run of `moe-offload.throughput` that a plan of groups recommends. */
export function groupLaunch(plan: Plan, group: GroupMode, config: PlanConfig): Launch {
  return launchOf("moe-offload.throughput", {
    model: config.model,
    schedules: ["klotski"],
    promptTokens: promptTokensOf(plan.contextTokens),
    // The last chosen token is not evaluated.
    outputTokens: plan.contextTokens - promptTokensOf(plan.contextTokens) + 1,
    batches: group.plan.batches,
    sequencesPerBatch: group.sequencesPerBatch,
    budgetMiB: Math.ceil((group.slotBytes / MIB) * 1e4) / 1e4,
    memoryMiB: plan.memoryBytes / MIB,
    ...(config.device !== "cpu" && { device: config.device }),
    link: config.link,
    threads: config.threads,
  });
}

function launchOf(kind: string, config: Record<string, unknown>): Launch {
  const fields = Object.entries(flat(config)).map(([path, value]) => `--set '${path}=${value}'`);
  return { kind, config, command: `npx --no-install fmlab exec ${kind} ${fields.join(" ")}` };
}

/** Fields of nested objects by their paths; lists and texts as `--set` reads them. */
function flat(config: Record<string, unknown>, prefix = ""): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [name, value] of Object.entries(config)) {
    const path = `${prefix}${name}`;
    const isGroup = typeof value === "object" && value !== null && !Array.isArray(value);
    if (isGroup) Object.assign(all, flat(value as Record<string, unknown>, `${path}.`));
    else all[path] = typeof value === "string" ? value : JSON.stringify(value);
  }
  return all;
}
