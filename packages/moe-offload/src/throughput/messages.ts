import type { TimelineSeries } from "@fmlab/experiment";
import type { DeviceName } from "../engine/device/device-names.ts";
import type { TwinKind } from "../precision/names.ts";
import type { StreamTimes } from "../prefill/stream-recorder.ts";
import type { StreamFacts } from "../prefill/stream-session.ts";
import type { HostTierOptions } from "../tiers/host-tier.ts";
import type { LinkOptions } from "../tiers/link-schedule.ts";
import type { GroupPlan, StageTimes } from "./group-plan.ts";
import type { ScheduleName } from "./schedules.ts";
import type { NearTie } from "./shape-difference.ts";

/** All that decides what a throughput run computes and how. */
export interface ThroughputOptions {
  modelPath: string;
  /** Where the model is computed, and its slots lie; default: the CPU. */
  device?: DeviceName;
  /** Memory between disk and slots; default: none, experts come straight from disk. */
  host?: HostTierOptions;
  /** Text that prompts are cut from; undefined: sentences that come with the package. */
  text: string | undefined;
  schedules: ScheduleName[];
  promptTokens: number;
  outputTokens: number;
  sequencesPerBatch: number;
  /** Batches of a group; 0 leaves it to the planner. */
  batches: number;
  batchesMax: number;
  /** Batches that schedules run which do not share loads. */
  loneBatches: number;
  budgetBytes: number;
  memoryBytes: number;
  /** Into the slots: from disk, or from host memory where there is. */
  link: LinkOptions;
  /** Experts prefetched as hot ones; 0: as many as a token uses. */
  hotCount: number;
  /** Twins that `klotski-q` loads, kept beside the model or else in a folder of their own. */
  twin: TwinKind;
  twinFolder: string;
  threads: number;
  seed: number;
  /** Sequences whose logits are compared with one-by-one generation. */
  compareSequences: number;
  nearTieGap: number;
  /** Decode steps recorded in the timeline. */
  timelineSteps: number;
}

/** How large the groups are, and what that was decided from. */
export interface PlanRecord {
  plan: GroupPlan;
  times: StageTimes;
  hotCount: number;
  /** Batches of a group that are used. */
  batches: number;
  batchBytes: number;
}

/** One decode step of a schedule. */
export interface StepRecord {
  schedule: ScheduleName;
  step: number;
  stepMs: number;
  bytes: number;
  waitMs: number;
}

/** What one schedule reached. */
export interface ScheduleRecord {
  schedule: ScheduleName;
  batches: number;
  sequences: number;
  prefillMs: number;
  decodeMs: number;
  prefill: StreamTimes;
  decode: StreamTimes;
  tokens: number;
  /** Of decode steps: predicted hot experts that were used, and that were among the hottest. */
  hot: { predicted: number; used: number; hot: number; byLayer: number[][] } | undefined;
}

/** How groups differ from one-by-one generation. */
export interface DifferenceRecord {
  sequences: number;
  positions: number;
  klMean: number;
  klMax: number;
  sameChoices: number;
  /** Differing choices whose two best logits lie closer than the bound, and the others. */
  nearTies: NearTie[];
  otherDifferences: NearTie[];
}

/** What is known at the end. */
export interface ThroughputResult {
  prompts: string[];
  texts: string[];
  timeline: Pick<TimelineSeries, "lanes" | "events">;
  /** Of the last schedule that changes nothing, and of the one with quantised experts. */
  difference: DifferenceRecord | undefined;
  quantisedDifference: DifferenceRecord | undefined;
}

/** From the compute thread, while it works. */
export type ThroughputMessage =
  | { type: "opened"; facts: StreamFacts }
  | { type: "planned"; record: PlanRecord }
  | { type: "steps"; steps: StepRecord[] }
  | { type: "schedule"; record: ScheduleRecord };
