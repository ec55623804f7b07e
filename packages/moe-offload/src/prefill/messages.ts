import type { TimelineSeries } from "@fmlab/experiment";
import type { DeviceName } from "../engine/device/device-names.ts";
import type { HostTierOptions } from "../tiers/host-tier.ts";
import type { LinkOptions } from "../tiers/link-schedule.ts";
import type { StreamTimes } from "./stream-recorder.ts";
import type { StreamFacts, StreamSessionOptions } from "./stream-session.ts";

/** All that decides what a prefill run computes and how. */
export interface PrefillOptions {
  modelPath: string;
  /** Text that prompts are cut from; undefined: sentences that come with the package. */
  text: string | undefined;
  promptTokens: number[];
  budgetsBytes: number[];
  links: LinkOptions[];
  /** Prompts that are evaluated and counted in each cell, after one that is not. */
  repeats: number;
  /** Where the model is computed, and its slots lie; default: the CPU. */
  device?: DeviceName;
  /** Memory between disk and slots; default: none. */
  host?: HostTierOptions;
  threads: number;
  seed: number;
  /** Experts that few tokens chose are computed in low precision; undefined: none. */
  mixture?: StreamSessionOptions["mixture"];
}

/** Prompts of one length under one budget over one link. */
export interface PrefillCell {
  promptTokens: number;
  budgetBytes: number;
  link: LinkOptions;
  facts: StreamFacts;
  /** By counted prompt. */
  prompts: PrefillRecord[];
}

/** One prompt, evaluated with all experts resident and in waves. */
export interface PrefillRecord {
  residentMs: number;
  wavesMs: number;
  times: StreamTimes;
  /** Experts that the prompt needed, and bytes of those that were not in memory when it began. */
  neededExperts: number;
  missedBytes: number;
  /** `max(residentMs, missed bytes / link)` */
  boundMs: number;
  /** The logits are those of the resident computation to the bit. */
  isSame: boolean;
  /** KL(resident || waves) of what follows the prompt, nats. */
  kl: number;
  /** Both find the same token the likeliest. */
  isAgreed: boolean;
  /** Share of the prompt's uses of experts that were computed in low precision, 0..1. */
  lowShare: number;
}

/** What is known at the end. */
export interface PrefillResult {
  timeline: Pick<TimelineSeries, "lanes" | "events">;
}

/** From the compute thread, while it works. */
export type PrefillMessage =
  | { type: "twins"; done: number; total: number }
  | { type: "opened"; facts: StreamFacts }
  | { type: "cell"; cell: PrefillCell };
