import { z } from "zod";
import { gpuFactsSchema } from "./gpu.ts";
import { FIDELITIES } from "./metrics.ts";

/**
 * The run folder: what `fmlab exec` writes and `fmlab sync` uploads.
 *
 *     run.json        config, seed, machine, code, state (runRecordSchema)
 *     summary.json    what the experiment returned
 *     metrics.jsonl   one point a line (metricLineSchema), in the order reported
 *     series/*.json   the pictures' data (seriesSchema)
 *     artifacts/*     files kept with the run
 *     log.txt         what was logged
 *
 * Nothing in it holds a host name, a user name or an absolute path: run folders are committed.
 */
export const RUN_FOLDER_FORMAT = 1;

/** Why an attempt did not succeed. */
export const FAILURE_CODES = [
  "BAD_CONFIG",
  "MISSING_FILE",
  "EXPERIMENT_ERROR",
  "OUT_OF_MEMORY",
  "KILLED_BY_SIGNAL",
  "TIMED_OUT",
  "HOST_LOST",
  "CANCELLED",
  "VERSION_MISMATCH",
] as const;
export type FailureCode = (typeof FAILURE_CODES)[number];

/** Why a run ended otherwise than by succeeding. */
export const failureSchema = z.object({
  code: z.enum(FAILURE_CODES),
  message: z.string(),
  /** Stack or stderr tail, without absolute paths outside the repository. */
  detail: z.string().optional(),
});
export type Failure = z.infer<typeof failureSchema>;

/** `MachineFacts` as they are stored. */
export const machineFactsSchema = z.object({
  cpuModel: z.string(),
  cpuCount: z.number().int(),
  memoryBytes: z.number(),
  platform: z.string(),
  arch: z.string(),
  kernel: z.string(),
  nodeVersion: z.string(),
  gpus: z.array(gpuFactsSchema),
});

/** The exact code of a run. `dirty` means uncommitted changes; `diffSha256` then names them. */
export const codeFactsSchema = z.object({
  fmlabVersion: z.string(),
  gitCommit: z.string().nullable(),
  dirty: z.boolean().nullable(),
  diffSha256: z.string().nullable(),
  lockfileSha256: z.string().nullable(),
});
export type CodeFacts = z.infer<typeof codeFactsSchema>;

/** A file a run read: its path inside the allowed folders, and its content's hash. */
export const inputFactsSchema = z.object({
  path: z.string(),
  sizeBytes: z.number(),
  sha256: z.string(),
});

/** Everything needed to do a run again, captured by the runner and not typed by anyone. */
export const reproductionSchema = z.object({
  machine: machineFactsSchema,
  code: codeFactsSchema,
  inputs: z.array(inputFactsSchema),
  notes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
export type Reproduction = z.infer<typeof reproductionSchema>;

/** The content of run.json: what was run, how it ended, and all that is needed to run it again. */
export const runRecordSchema = z.object({
  format: z.literal(RUN_FOLDER_FORMAT),
  /** Unique name of this run; `fmlab sync` uploads a folder once under it. */
  runId: z.uuid(),
  kind: z.string(),
  definitionVersion: z.number().int(),
  preset: z.string().nullable(),
  config: z.record(z.string(), z.unknown()),
  seed: z.number().int().min(0),
  fidelity: z.enum(FIDELITIES),
  state: z.enum(["SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT"]),
  failure: failureSchema.nullable(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  machine: machineFactsSchema,
  code: codeFactsSchema,
  inputs: z.array(inputFactsSchema),
  notes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
export type RunRecord = z.infer<typeof runRecordSchema>;

/**
 * One line of metrics.jsonl. `value` null stands for NaN or an infinity; `timeMs` counts from the
 * start.
 */
export const metricLineSchema = z.object({
  key: z.string(),
  step: z.number(),
  value: z.number().nullable(),
  timeMs: z.number(),
});
export type MetricLine = z.infer<typeof metricLineSchema>;

/**
 * The stored key of a metric with labels: `hitRate` with `{ layer: 3 }` is `hitRate{layer=3}`.
 * Labels are sorted, so one curve has one key; `%`, `,`, `=`, `{` and `}` in them are written as
 * `%25` and so on, so two curves never share one.
 */
export function metricKey(
  key: string,
  axes: Record<string, number | string | undefined> = {},
): string {
  const labels = Object.entries(axes)
    .filter(([name, value]) => name !== "step" && value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${escapeLabel(name)}=${escapeLabel(String(value))}`);
  return labels.length === 0 ? key : `${key}{${labels.join(",")}}`;
}

function escapeLabel(text: string): string {
  return text.replace(/[%,={}]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
}

/** Limits, stated and enforced with a clear error by both back ends. */
export const LIMITS = {
  /** Keys that the experiment reports. */
  metricKeysPerRun: 500,
  /** Keys that the runner adds (`MACHINE_METRICS`, times GPUs). */
  machineMetricKeysPerRun: 200,
  configBytes: 1_000_000,
  artifactBytes: 256 * 1024 * 1024,
  artifactsPerRun: 1_000,
  seriesBytes: 16 * 1024 * 1024,
  seriesPerRun: 100,
  logLineCharacters: 16_384,
} as const;
