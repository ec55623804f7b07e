import type { TimelineSeries } from "@fmlab/experiment";
import type { DeviceName } from "../engine/device/device-names.ts";
import type { CpuExpertOptions } from "../offload/cpu-experts.ts";
import type { ScheduleCounts } from "../offload/scheduler.ts";
import type { Strategy } from "../offload/strategies.ts";
import type { TwinKind } from "../precision/names.ts";
import type { SamplingOptions } from "../sampling/sampler.ts";
import type { ReadMode } from "../tiers/aligned-reader.ts";
import type { HostTierOptions } from "../tiers/host-tier.ts";
import type { LinkOptions } from "../tiers/link-schedule.ts";
import type { WireError } from "./wire-error.ts";

/** How misses of decode steps are answered in low precision. */
export interface LowPrecisionSettings {
  kind: TwinKind;
  /** The full expert follows as a prefetch where the policy keeps it. */
  upgrade: boolean;
  /** Where twins are kept when they cannot lie beside the model. */
  otherFolder: string;
}

/** All that decides what a session computes and how. */
export interface SessionOptions {
  modelPath: string;
  strategy: Strategy;
  /** Where the model is computed, and fast memory lies; default: the CPU. */
  device?: DeviceName;
  /** Every byte of expert storage in fast memory, staging included. */
  budgetBytes: number;
  /** Slots of layers by the calibration's miss curves, for the policy that learns; else equal. */
  layerSizes: "equal" | "miss-curves";
  /** The budget pays for the KV cache too; slots are given up as the context grows. */
  kvInBudget: boolean;
  /** Expert storage in host memory; 0 bytes: experts come straight from disk. */
  host: HostTierOptions;
  /** Into fast memory. */
  link: LinkOptions;
  /** From disk to host memory. */
  disk: LinkOptions;
  /** Tokens a model writes of itself for strategies that learn, where no calibration is kept. */
  calibrationTokens: number;
  /** What they learn from in place of that; learned anew in every run. */
  calibrationText?: string | undefined;
  /** Undefined: every expert is computed in full. */
  lowPrecision?: LowPrecisionSettings | undefined;
  /** On a card with host memory: the CPU computes missed experts from there. */
  cpuExperts?: CpuExpertOptions | undefined;
  sampling: SamplingOptions;
  seed: number;
  /** Where the routing of every token is written to, if anywhere. */
  tracePath?: string | undefined;
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

/** What a budget of fast memory bought. */
export interface BudgetFacts {
  budgetBytes: number;
  /** Bytes of all slots in use, staging included. */
  usedBytes: number;
  slotCount: number;
  /** Slots that keep experts: by layer, or one number for all. */
  slotsByLayer: readonly number[];
  /** Of `slotCount`: slots for experts that nobody keeps. */
  stagingSlots: number;
  /** Experts of the whole model. */
  expertTotal: number;
  /** Bytes of the largest kind of expert. */
  expertBytes: number;
}

/** Facts of an opened session. */
export interface SessionFacts {
  architecture: string;
  modelName: string;
  layerCount: number;
  expertCount: number;
  expertUsedCount: number;
  contextLength: number;
  budget: BudgetFacts;
  /** How experts are read from disk; undefined when all are resident. */
  readMode: ReadMode | undefined;
  /** Where the strategy's calibration came from; undefined when it needs none. */
  calibration:
    | { origin: "file" | "made" | "text"; tokenCount: number; notKept?: string }
    | undefined;
  /** Copies of the experts that misses are answered with; undefined without low precision. */
  twins:
    | { kind: TwinKind; expertBytes: number; stagingSlots: number; wasMade: boolean }
    | undefined;
  /** From start to ready, with the loading of resident weights; not with the making of twins. */
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
  /** Sum of the transfers that ended in the step. */
  transferMs: number;
  /** Expert bytes that came over the link. */
  bytes: number;
  /** By layer: chosen experts that were neither there nor on their way. */
  misses: number[];
  /** Chosen experts that were on their way. */
  lateHits: number;
  /** Misses that were computed in low precision. */
  lowPrecision: number;
  /** Misses that the CPU computed beside the card. */
  cpuComputed: number;
}

/** How far predictions in low precision are from those in full precision. */
export interface LossyNumbers {
  /** KL(full || lossy), nats. */
  meanKl: number;
  maxKl: number;
  /** Share of steps with the same likeliest token, 0..1. */
  argmaxAgreement: number;
  /** Decode steps they are about: the first of the run. */
  comparedSteps: number;
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
  /** By layer: bytes of those loads. */
  loadedBytes: number[];
  timeline: Pick<TimelineSeries, "lanes" | "events">;
  /** Bytes asked of the file system while running, with what aligned reading adds. */
  fetchedBytes: number;
  /** Expert bytes put in slots while running. */
  deliveredBytes: number;
  /** Of the whole session, prompts included. */
  counts: ScheduleCounts;
}

/** From the compute thread to the main thread. */
export type WorkerMessage =
  | { type: "calibrating"; done: number; total: number }
  | { type: "twins"; done: number; total: number }
  | { type: "opened"; facts: SessionFacts }
  | { type: "prompt"; record: PromptRecord }
  | { type: "steps"; steps: StepRecord[] }
  | { type: "comparing"; done: number; total: number }
  | { type: "done"; result: SessionResult; lossy: LossyNumbers | undefined }
  | { type: "failed"; error: WireError };
