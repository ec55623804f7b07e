import type { TimelineSeries } from "@fmlab/experiment";
import type { ReadMode } from "../experts/aligned-reader.ts";
import type { BudgetPlan } from "../experts/budget.ts";
import type { LinkOptions } from "../experts/link.ts";
import type { PolicyName } from "../policies/names.ts";
import type { SamplingOptions } from "../sampling/sampler.ts";
import type { WireError } from "./wire-error.ts";

/** All that decides what a session computes and how. */
export interface SessionOptions {
  modelPath: string;
  policy: PolicyName;
  budgetBytes: number;
  link: LinkOptions;
  sampling: SamplingOptions;
  seed: number;
  threads: number;
  /** Decode steps recorded in the timeline, from the first. */
  timelineTokens: number;
  /** `batch` evaluates a prompt as one graph where all experts are resident. */
  promptEvaluation: "token" | "batch";
  ignoreEnd: boolean;
  /**
   * Tokens that prompt and continuation take at most; the context is made no larger, since memory
   * for a model's whole context may be huge.
   */
  contextTokensMax: number;
}

/** What the worker is started with. */
export interface WorkerInput {
  options: SessionOptions;
  prompts: string[];
  maxTokens: number;
  /** One shared entry; nonzero asks the session to stop. */
  cancelFlag: Int32Array;
}

/** Facts of an opened session. */
export interface SessionFacts {
  architecture: string;
  modelName: string;
  layerCount: number;
  expertCount: number;
  expertUsedCount: number;
  contextLength: number;
  budget: BudgetPlan;
  readMode: ReadMode;
  /** From start to ready, with the loading of resident weights. */
  openMs: number;
}

/** One decode step: a token was evaluated and the next one chosen. */
export interface StepRecord {
  prompt: number;
  /** The token chosen by this step. */
  token: number;
  /** The text it adds; empty while a character is incomplete. */
  text: string;
  stepMs: number;
  /** Part of `stepMs` in which the computation waited for experts. */
  stallMs: number;
  bytes: number;
  /** By layer: experts that had to be loaded. */
  misses: number[];
}

/** One prompt, evaluated and continued. */
export interface PromptRecord {
  prompt: number;
  promptTokens: number;
  prefillMs: number;
  prefillBytes: number;
  prefillStallMs: number;
  /** From the start of the evaluation to the first chosen token. */
  firstTokenMs: number;
  firstToken: number;
  firstText: string;
}

/** What is known at the end. Counts are over decode steps, not over prompts. */
export interface SessionResult {
  tokens: number[][];
  texts: string[];
  /** `[layer][expert]`: how often the router chose it. */
  routed: number[][];
  /** `[layer][expert]`: how often it had to be loaded. */
  loads: number[][];
  timeline: Pick<TimelineSeries, "lanes" | "events">;
  /** Bytes asked of the file system in the whole session, with what aligned reading adds. */
  fetchedBytes: number;
  /** Expert bytes put in slots in the whole session. */
  deliveredBytes: number;
}

/** From the compute thread to the main thread. */
export type WorkerMessage =
  | { type: "opened"; facts: SessionFacts }
  | { type: "prompt"; record: PromptRecord }
  | { type: "steps"; steps: StepRecord[] }
  | { type: "done"; result: SessionResult }
  | { type: "failed"; error: WireError };
