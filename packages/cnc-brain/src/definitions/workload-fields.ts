import type { RequiredFile } from "@fmlab/experiment";
import { z } from "zod";
import { MINUTE_SPREADS } from "../traces/names.ts";
import { WORKLOAD_SOURCES } from "../workload/sources.ts";

/** A whole number in a form. */
export const wholeNumber = (min: number, max: number, preset: number) =>
  z.number().int().min(min).max(max).default(preset);

/** A number in a form. */
export const number = (min: number, max: number, preset: number) =>
  z.number().min(min).max(max).default(preset);

/** A file of third-party data in a form; empty: none. */
export const dataFile = (help: string) =>
  z.string().max(1024).default("").describe(help).meta({ file: "data" });

/** Config fields that say how many nodes of each kind there are. */
export const clusterFields = (preset: { deviceNodes: number }) => ({
  cloudNodes: wholeNumber(0, 1000, 2).describe("Nodes of 16 cores at the most central sites."),
  edgeNodes: wholeNumber(0, 1000, 10).describe("Nodes of 4 slower cores over all sites."),
  deviceNodes: wholeNumber(0, 1000, preset.deviceNodes).describe(
    "Nodes of 2 slow cores behind a slow link.",
  ),
});

/** Config fields that say what is invoked. */
export const workloadFields = (preset: {
  functions: number;
  minutes: number;
  perDayMax?: number;
}) => ({
  source: z
    .enum(WORKLOAD_SOURCES)
    .default("generated")
    .describe("Requests drawn from published distributions, or read from a trace by path."),
  trace: z
    .object({
      invocations: dataFile("Invocations: Azure 2019 by minute, Azure 2021, or an LLM trace."),
      durations: dataFile("Azure 2019: durations of functions; empty: published fits."),
      memory: dataFile("Azure 2019: memory of applications; empty: published fits."),
    })
    .prefault({})
    .describe("Files of the trace, packed or not; unused while requests are generated."),
  fromMinute: wholeNumber(0, 20_160, 0).describe("First minute of the trace that is used."),
  minutes: wholeNumber(1, 20_160, preset.minutes).describe("How long requests arrive, minutes."),
  functions: wholeNumber(1, 100_000, preset.functions).describe(
    "How many are invoked; of a larger trace a sample near to all of it (Wasserstein distance).",
  ),
  perDayMax: number(1, 1e9, preset.perDayMax ?? 1.15e6).describe(
    "Generated: an application has at most so many invocations a day.",
  ),
  durations: z
    .enum(["published", "trace"])
    .default("published")
    .describe("Azure 2019: durations and memory from the published fits, or the trace's own."),
  spread: z
    .enum(MINUTE_SPREADS)
    .default("exponential")
    .describe("Azure 2019: where invocations lie within their minute."),
  durationSecondsMax: number(0.001, 86_400, 60).describe("Longer runs are cut to this, seconds."),
  tenants: wholeNumber(1, 1000, 4).describe("Tenants among whom applications are divided."),
});

/** Files a workload needs, for `requires`. */
export function workloadFiles(config: {
  source: (typeof WORKLOAD_SOURCES)[number];
  trace: { invocations: string; durations: string; memory: string };
}): RequiredFile[] {
  if (config.source === "generated") return [];
  const { invocations, durations, memory } = config.trace;
  const paths = config.source === "azure-2019" ? [invocations, durations, memory] : [invocations];
  const licence =
    config.source === "llm" ? "CC BY 4.0 (Azure) or Apache-2.0 (Mooncake)" : "CC BY 4.0";
  return paths
    .filter((path) => path !== "")
    .map((path) => ({ path, room: "data" as const, source: "Azure/AzurePublicDataset", licence }));
}

/** Paths of the shared data folder's Azure 2019 sample, for presets. */
export const AZURE_2019_FILES = {
  invocations: "serverless/azure2019_600_inv.csv.gz",
  durations: "serverless/azure2019_600_run.csv.gz",
  memory: "serverless/azure2019_600_mem.csv.gz",
};
