import type { GgufFile } from "@fmlab/ggml";
import type { Calibration } from "../../src/calibration/calibration.ts";
import { type ObtainedCalibration, obtainCalibration } from "../../src/calibration/obtain.ts";
import { describeModel } from "../../src/model/description.ts";
import { type ExpertLayout, expertLayout } from "../../src/model/expert-layout.ts";
import { OffloadedModel, type OffloadOptions } from "../../src/offload/offloaded-model.ts";
import { STRATEGIES, type Strategy } from "../../src/offload/strategies.ts";
import { NO_HOST_TIER } from "../../src/tiers/host-tier.ts";
import { MonotonicClock } from "../../src/tiers/monotonic-clock.ts";

/** How a model is opened straight from disk. */
export interface DiskOptions {
  readonly strategy: Strategy;
  readonly budgetBytes: number;
  readonly threads: number;
  readonly queueDepth: number;
  readonly contextLength: number;
  readonly aheadDepth?: number;
}

const ALL_RESIDENT: Strategy = {
  policy: "all-resident",
  predictor: "none",
  prefetch: { control: "off", width: 0, depth: 1 },
  readyFirst: false,
};

/** Bytes of all routed experts. */
export function expertBytesOf(layout: ExpertLayout): number {
  return layout.classes.reduce(
    (sum, { expertBytes, layers }) => sum + layers.length * layout.expertCount * expertBytes,
    0,
  );
}

/** Bytes of all other tensors. */
export function denseBytesOf(file: GgufFile): number {
  let sum = 0;
  for (const [name, { sizeBytes }] of file.tensors) if (!name.includes("_exps")) sum += sizeBytes;
  return sum;
}

/** Where the experts of a file lie. */
export function layoutOf(file: GgufFile): ExpertLayout {
  return expertLayout(file, describeModel(file));
}

/** A model whose experts come straight from disk, past the page cache, as fast as the disk is. */
export function openFromDisk(
  file: GgufFile,
  layout: ExpertLayout,
  options: DiskOptions,
  calibration?: Calibration,
): OffloadedModel {
  return OffloadedModel.open(file, layout, { ...baseOf(options), ...options, calibration });
}

/** A model with every expert in memory. */
export function openAllResident(
  file: GgufFile,
  layout: ExpertLayout,
  options: Pick<DiskOptions, "threads" | "contextLength" | "aheadDepth">,
): OffloadedModel {
  const budgetBytes = expertBytesOf(layout);
  const all = { ...options, strategy: ALL_RESIDENT, budgetBytes, queueDepth: 1 };
  return openFromDisk(file, layout, all);
}

/** The calibration beside the file, or a new one, on a text or on what the model writes itself. */
export function calibrationOf(
  file: GgufFile,
  layout: ExpertLayout,
  options: {
    tokens: number;
    threads: number;
    contextLength: number;
    text?: readonly number[] | undefined;
  },
): ObtainedCalibration {
  const base: OffloadOptions = {
    ...baseOf({ queueDepth: 4 }),
    strategy: STRATEGIES.lru,
    budgetBytes: expertBytesOf(layout),
    threads: options.threads,
    contextLength: options.contextLength,
  };
  return obtainCalibration(file, layout, base, {
    tokenCount: options.tokens,
    text: options.text,
    firstToken: 0,
    throwIfCancelled: () => {},
  });
}

function baseOf({ queueDepth }: Pick<DiskOptions, "queueDepth">) {
  const link = { bandwidthMBps: 0, latencyUs: 0, queueDepth };
  return {
    host: NO_HOST_TIER,
    link,
    disk: link,
    clock: new MonotonicClock(),
    cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
  };
}
