import { ExperimentError, type RunContext } from "@fmlab/experiment";
import type { MinuteSpread } from "../traces/names.ts";
import type { WorkloadSettings } from "./build-workload.ts";
import type { WorkloadSource } from "./sources.ts";

/** The part of a config that `workloadFields` defines. */
export interface WorkloadConfig {
  source: WorkloadSource;
  trace: { invocations: string; durations: string; memory: string };
  fromMinute: number;
  minutes: number;
  functions: number;
  perDayMax: number;
  durations: "published" | "trace";
  spread: MinuteSpread;
  durationSecondsMax: number;
  tenants: number;
}

/** Paths and units of a config's workload, for `buildWorkload`. */
export async function workloadSettings(
  ctx: RunContext,
  config: WorkloadConfig,
  more: Partial<Pick<WorkloadSettings, "sloFactor" | "sloSlackMs" | "dataShare" | "jobs">> = {},
): Promise<WorkloadSettings> {
  const resolve = async (path: string) =>
    config.source === "generated" || path === "" ? "" : await ctx.resolveFile(path);
  if (config.source !== "generated" && config.trace.invocations === "") {
    const problem = `needed for the source ${config.source}; give a path in the data folder`;
    throw new ExperimentError(`trace.invocations: ${problem}`, {
      code: "BAD_CONFIG",
      kind: ctx.kind,
      problems: [{ path: "trace.invocations", message: problem }],
    });
  }
  return {
    source: config.source,
    trace: {
      invocations: await resolve(config.trace.invocations),
      durations: await resolve(config.trace.durations),
      memory: await resolve(config.trace.memory),
    },
    fromMinute: config.fromMinute,
    minutes: config.minutes,
    functions: config.functions,
    perDayMax: config.perDayMax,
    durations: config.durations,
    spread: config.spread,
    durationMsMax: config.durationSecondsMax * 1000,
    tenants: config.tenants,
    sloFactor: 3,
    sloSlackMs: 500,
    dataShare: 0,
    jobs: 0,
    ...more,
  };
}

/**
 * Lets messages of the platform in between two parts of a long computation.
 *
 * @throws ExperimentError `CANCELLED`
 */
export async function breathe(ctx: Pick<RunContext, "signal">): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  if (ctx.signal.aborted) {
    throw new ExperimentError("the run was cancelled", { code: "CANCELLED" });
  }
}

/** Notes as the table every run shows. */
export function assumptionTable(notes: readonly string[]) {
  return {
    kind: "table" as const,
    columns: [{ key: "what", title: "Assumption", type: "text" as const }],
    rows: notes.map((what) => ({ what })),
  };
}
