import { z } from "zod";
import { DEVICES } from "../engine/device/device-names.ts";
import { CPU_CHOICES } from "../offload/cpu-choice-names.ts";
import { PREFETCH_CONTROLS } from "../offload/strategy-names.ts";
import { POLICY_NAMES } from "../policies/names.ts";
import { TWIN_KINDS } from "../precision/names.ts";
import { PREDICTOR_NAMES } from "../predictors/names.ts";
import { HOST_MODES } from "../tiers/host-rules.ts";

/** The model that comes with the repository. */
export const SHIPPED_MODEL = "tiny-story-moe.q8_0.gguf";
/** A quarter of the shipped model's 256 experts of 104,448 bytes, in MiB. */
export const QUARTER_MIB = 6.375;
/** Half of them. */
export const HALF_MIB = 12.75;
/** All of them. */
export const ALL_MIB = 25.5;

/** Config field `model`. */
export const modelField = z
  .string()
  .min(1)
  .max(1024)
  .default(SHIPPED_MODEL)
  .describe("GGUF file of a Mixture-of-Experts model, in the models folder.")
  .meta({ file: "model" });

/** Config field `device`. */
export const deviceField = z
  .enum(DEVICES)
  .default("cpu")
  .describe("Where the model is computed; on a card its memory is the fast one.");

/** Config field `budgetMiB`. */
export const budgetField = z
  .number()
  .positive()
  .max(1_048_576)
  .default(QUARTER_MIB)
  .describe(
    "Fast memory for routed experts, staging included, MiB; the shipped model has 25.5 MiB of them.",
  );

/**
 * A config field for one link.
 *
 * @param bandwidthMBps  default
 */
export function linkField(bandwidthMBps: number, what: string) {
  return z
    .object({
      bandwidthMBps: z
        .number()
        .min(0)
        .max(1_000_000)
        .default(bandwidthMBps)
        .describe(`Bandwidth ${what}, MB/s (1 MB = 1e6 bytes); 0 imposes no limit.`),
      latencyUs: z
        .number()
        .min(0)
        .max(1_000_000)
        .default(0)
        .describe("Delay before each expert's first byte, microseconds."),
      queueDepth: z
        .number()
        .int()
        .min(1)
        .max(256)
        .default(1)
        .describe("Transfers under way at once: their delays overlap, their bytes do not."),
    })
    .prefault({})
    .describe(`Limits imposed ${what}, on top of what really moves the bytes.`);
}

/** Config field `host`: the tier between disk and fast memory. */
export const hostField = z
  .object({
    budgetMiB: z
      .number()
      .min(0)
      .max(16_777_216)
      .default(0)
      .describe("Host memory for experts, MiB; 0 loads straight from disk."),
    mode: z
      .enum(HOST_MODES)
      .default("lru")
      .describe(
        "lru keeps what was used last, pinned what came first; window reads the next layers ahead.",
      ),
    preload: z
      .boolean()
      .default(true)
      .describe("Fill host memory before the first token, past the links."),
  })
  .prefault({})
  .describe("Memory between disk and fast memory.");

/** Config fields that make a strategy; see `offload/strategies.ts`. */
export const strategyFields = {
  policy: z
    .enum(POLICY_NAMES)
    .default("lru")
    .describe("Which experts stay in fast memory; docs/guides/add-a-policy.md tells them apart."),
  predictor: z
    .enum(PREDICTOR_NAMES)
    .default("none")
    .describe("What foresees the experts of later layers, for prefetching."),
  prefetch: z
    .object({
      control: z
        .enum(PREFETCH_CONTROLS)
        .default("off")
        .describe(
          "off; fixed: the likeliest `width`; fate: as many as fit in a layer's time; " +
            "adaptive: those whose measured benefit is above their cost.",
        ),
      width: z
        .number()
        .int()
        .min(0)
        .max(64)
        .default(4)
        .describe("Most predictions per layer that are considered."),
      depth: z.number().int().min(1).max(3).default(1).describe("Layers ahead that are predicted."),
    })
    .prefault({})
    .describe("How predictions are acted on."),
  readyFirst: z
    .boolean()
    .default(false)
    .describe("Compute with experts that are there while others arrive; changes no bit."),
  calibrationTokens: z
    .number()
    .int()
    .min(0)
    .max(1_000_000)
    .default(12_288)
    .describe(
      "Tokens the model writes to learn from, for policies and predictors that learn, when no " +
        "calibration lies beside the model; 0 does without.",
    ),
  calibrationFile: z
    .string()
    .max(1024)
    .default("")
    .describe(
      "Text to learn from, .txt or .txt.gz, in the data folder; empty takes what the model writes " +
        "itself. Use one of the kind that will be decoded, never the one that is measured on.",
    )
    .meta({ file: "data" }),
};

/** Config field `lowPrecision`: misses of decode steps as low-precision copies. */
export const lowPrecisionField = z
  .object({
    type: z
      .enum(["none", ...TWIN_KINDS])
      .default("none")
      .describe(
        "none changes no bit. q4_0, q2_k: copies of the experts of some 4.5 or 2.6 bits a weight.",
      ),
    on: z
      .enum(["miss"])
      .default("miss")
      .describe("miss: experts that were chosen and are neither in fast memory nor on their way."),
    upgrade: z
      .boolean()
      .default(true)
      .describe("The full expert follows while the link is idle, where the policy keeps it."),
  })
  .prefault({})
  .describe(
    "Decode steps load missing experts in low precision; prompts stay in full. Lossy, and what " +
      "misses may depend on the clock: such a run tells its KL divergence. In host memory a copy " +
      "takes the place of a full expert.",
  );

/** Threads that compute missed experts on the CPU beside a card. */
export const cpuExpertThreads = z
  .number()
  .int()
  .min(0)
  .max(64)
  .default(0)
  .describe(
    "Threads that compute missed experts, the one that serves the card among them; 0: none are. " +
      "Leave some cores to the threads that copy.",
  );

/** Config field `cpuExperts`: misses computed by the CPU beside a card. */
export const cpuExpertsField = z
  .object({
    threads: cpuExpertThreads,
    choice: z
      .enum(CPU_CHOICES)
      .default("balanced")
      .describe(
        "balanced: as many misses as make link and CPU end soonest, by measured times. always: " +
          "all that lie in host memory.",
      ),
  })
  .prefault({})
  .describe(
    "On a card with host memory: the CPU computes missed experts from there while the card " +
      "computes the others. It rounds otherwise than a card, so that logits may differ in last " +
      "digits. One slot of each kind of expert is given up for it.",
  );

/** The requirement of a model file, with its source and licence. */
export function modelFile(model: string) {
  return model === SHIPPED_MODEL
    ? ({
        path: model,
        room: "model",
        source: "this repository, models/README.md",
        licence: "Apache-2.0",
      } as const)
    : ({
        path: model,
        room: "model",
        source: "its publisher, as a GGUF file",
        licence: "see its model card",
      } as const);
}
