import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeGguf, type GgufFile, type GgufInput, openGguf } from "@fmlab/ggml";
import type { Calibration } from "../../src/calibration/calibration.ts";
import type { DeviceName } from "../../src/engine/device/device-names.ts";
import { describeModel, type ModelDescription } from "../../src/model/description.ts";
import { type ExpertLayout, expertLayout } from "../../src/model/expert-layout.ts";
import { OffloadedModel, type OffloadOptions } from "../../src/offload/offloaded-model.ts";
import type { Strategy } from "../../src/offload/strategies.ts";
import { NO_HOST_TIER } from "../../src/tiers/host-tier.ts";
import { FREE_LINK } from "../../src/tiers/link-schedule.ts";
import { MonotonicClock } from "../../src/tiers/monotonic-clock.ts";

const SHIPPED = "models/tiny-story-moe.q8_0.gguf";

/** All experts in fast memory from the start. */
export const ALL_RESIDENT: Strategy = {
  policy: "all-resident",
  predictor: "none",
  prefetch: { control: "off", width: 0, depth: 1 },
  readyFirst: false,
};

/** A model file and what was found in it. */
export interface BenchModel {
  readonly path: string;
  readonly file: GgufFile;
  readonly description: ModelDescription;
  readonly layout: ExpertLayout;
  /** Bytes of all routed experts. */
  readonly expertBytes: number;
}

/** How a model is put on a device; left out: all resident on one thread. */
export type Placement = Pick<OffloadOptions, "contextLength"> &
  Partial<Pick<OffloadOptions, "strategy" | "budgetBytes" | "host" | "threads" | "cpuExperts">> & {
    readonly device: DeviceName;
    readonly calibration?: Calibration | undefined;
  };

/**
 * Where the model lies: the one named, as the command line means it, else the one that comes with
 * the repository or the bundle.
 * @throws Error naming what is missing
 */
export function modelPath(named: string | undefined): string {
  const bundle = process.env.FMLAB_BUNDLE;
  const home = bundle ?? fileURLToPath(new URL("../../../..", import.meta.url));
  const path = resolve(named ?? resolve(process.env.FMLAB_MODELS_DIR ?? home, shippedIn()));
  if (existsSync(path)) return path;
  throw new Error(`there is no model ${path}; name one with --model FILE`);
}

/** Opens a model's file. The caller closes it. */
export function openBenchFile(path: string): BenchModel {
  const file = openGguf(path);
  const description = describeModel(file);
  const layout = expertLayout(file, description);
  const expertBytes = layout.classes.reduce(
    (sum, one) => sum + one.layers.length * layout.expertCount * one.expertBytes,
    0,
  );
  return { path, file, description, layout, expertBytes };
}

/** Writes a model's parts to a file that exists as long as `use` runs. */
export function withModelFile<T>(input: GgufInput, use: (model: BenchModel) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "fmlab-gpu-"));
  try {
    const path = join(folder, "model.gguf");
    writeFileSync(path, encodeGguf(input));
    const model = openBenchFile(path);
    try {
      return use(model);
    } finally {
      model.file.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Opens the engine on it; links are as fast as the machine. The caller closes it. */
export function openOn(model: BenchModel, placement: Placement): OffloadedModel {
  return OffloadedModel.open(model.file, model.layout, {
    strategy: placement.strategy ?? ALL_RESIDENT,
    budgetBytes: placement.budgetBytes ?? model.expertBytes,
    host: placement.host ?? NO_HOST_TIER,
    link: FREE_LINK,
    disk: FREE_LINK,
    device: placement.device,
    cpuExperts: placement.cpuExperts,
    threads: placement.threads ?? 1,
    contextLength: placement.contextLength,
    calibration: placement.calibration,
    clock: new MonotonicClock(),
    cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
  });
}

function shippedIn(): string {
  return process.env.FMLAB_MODELS_DIR ? SHIPPED.slice("models/".length) : SHIPPED;
}
