import {
  FIDELITIES,
  failureSchema,
  LIMITS,
  machineFactsSchema,
  reproductionSchema,
  seriesSchema,
} from "@fmlab/experiment";
import { z } from "zod";
import { plainText } from "./plain-text.ts";

/**
 * What agents and the server say to each other. Everything a runner sends is idempotent: a batch
 * may be sent any number of times, in any order, with the same result.
 */
export const PROTOCOL_VERSION = 1;

/** Leases beat every 5 s and lapse after 15 s, by the database's clock. */
export const LEASE = { beatMs: 5_000, lapseMs: 15_000 } as const;

/** Longest time `agent.claim` waits for work before it answers with null. */
export const CLAIM_WAIT_MS_MAX = 25_000;

/** A chunk is sealed when it holds this many points or lines. */
export const CHUNK_SIZE = 1_000;

/** Names one attempt; `attemptNumber` is the fence. */
export const fenceSchema = z.object({ runId: z.uuid(), attemptNumber: z.int32().min(1) });
export type Fence = z.infer<typeof fenceSchema>;

/** What an agent tells of its machine. */
export const registerInput = z.object({
  protocolVersion: z.int32(),
  fmlabVersion: plainText(100),
  /**
   * Unique in the organisation; an agent that registers under a known name continues that machine.
   */
  name: plainText(100).min(1),
  facts: machineFactsSchema,
  /** Tags offered: `ggml`, `gpu`, `gpu:cuda`, `gpu:vulkan`, `model:<path>`, `data:<path>`. */
  capabilities: z.array(plainText(512)).max(10_000),
  definitions: z.record(plainText(200), z.int32()),
});

/** One attempt to carry out. */
export const jobSchema = fenceSchema.extend({
  attemptId: z.uuid(),
  kind: z.string(),
  definitionVersion: z.number().int(),
  config: z.record(z.string(), z.unknown()),
  seed: z.number().int().min(0),
  timeLimitSec: z.number().int().min(1),
});
export type Job = z.infer<typeof jobSchema>;

/** Points `0..n-1` of one chunk of one curve; a gap's value is null. */
export const metricBatchSchema = z
  .object({
    key: plainText(200).min(1),
    chunkNo: z.int32().min(0),
    sealed: z.boolean(),
    steps: z.array(z.number()).min(1).max(CHUNK_SIZE),
    values: z.array(z.number().nullable()).min(1).max(CHUNK_SIZE),
    timesMs: z.array(z.number()).min(1).max(CHUNK_SIZE),
  })
  .refine((b) => b.steps.length === b.values.length && b.steps.length === b.timesMs.length, {
    message: "steps, values and timesMs must have the same length",
  });
export type MetricBatch = z.infer<typeof metricBatchSchema>;

/** Levels of a log line. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
/** One line of a log. */
export const logLineSchema = z.object({
  /** ms since the attempt's start. */
  t: z.number(),
  level: z.enum(LOG_LEVELS),
  text: z.string().max(LIMITS.logLineCharacters),
});
export type LogLine = z.infer<typeof logLineSchema>;

/** Lines `0..n-1` of one chunk of the log. */
export const logBatchSchema = z.object({
  chunkNo: z.int32().min(0),
  sealed: z.boolean(),
  lines: z.array(logLineSchema).min(1).max(CHUNK_SIZE),
});
export type LogBatch = z.infer<typeof logBatchSchema>;

/** A picture's data. */
export const seriesBatchSchema = z.object({
  name: z.string().min(1).max(100),
  /** Grows with each new content; a lower one than stored is ignored. */
  version: z.int32().min(1),
  data: seriesSchema,
});

/** How far an attempt is; `total` 0 means unknown. */
export const progressSchema = z.object({
  done: z.number(),
  total: z.number(),
  label: z.string().max(200),
});

/** What an attempt has produced since the last report, or again. */
export const reportInput = fenceSchema.extend({
  metrics: z.array(metricBatchSchema).max(1_000),
  logs: z.array(logBatchSchema).max(100),
  series: z.array(seriesBatchSchema).max(LIMITS.seriesPerRun),
  progress: progressSchema.optional(),
});
export type Report = z.input<typeof reportInput>;

/**
 * What the server wants of an attempt. `stop`: the attempt is fenced off; nothing it sends counts.
 */
export const ATTEMPT_ORDERS = ["continue", "cancel", "stop"] as const;
export type AttemptOrder = (typeof ATTEMPT_ORDERS)[number];

/** How an attempt can end, as its agent tells it. */
export const FINISH_STATES = ["SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT"] as const;

/** Ends an attempt. */
export const finishInput = fenceSchema.extend({
  state: z.enum(FINISH_STATES),
  failure: failureSchema.nullable(),
  summary: z.record(z.string(), z.unknown()).nullable(),
  fidelity: z.enum(FIDELITIES),
  reproduction: reproductionSchema,
});

/** Sent when the child process has started: the attempt is RUNNING from then on. */
export const startInput = fenceSchema.extend({ reproduction: reproductionSchema });
