import type { AccuracyJob } from "../accuracy/accuracy-job.ts";
import type { WireError } from "../decode/wire-error.ts";
import type { ShapePrefillJob } from "../shape-run/prefill-job.ts";
import type { ShapeJob } from "../shape-run/shape-job.ts";
import type { QualityJob } from "./quality-job.ts";

/** Work for a compute thread. */
export type ComputeJob = AccuracyJob | QualityJob | ShapeJob | ShapePrefillJob;

/** What the thread is started with. */
export interface ComputeInput {
  readonly job: ComputeJob;
  /** One shared entry; nonzero asks the work to stop. */
  readonly cancelFlag: Int32Array;
}

/** What a job tells while it runs. */
export interface ComputeHost {
  /** @throws ExperimentError `CANCELLED` */
  throwIfCancelled(): void;
  /** `total` 0 means unknown. Told at most some times a second. */
  progress(done: number, total: number, label: string): void;
  log(message: string): void;
  /** Numbers so far, by metric and by label, after `step` parts of the text. */
  partial(step: number, points: readonly PartialPoint[]): void;
}

/** A metric of one mode or predictor, so far. */
export interface PartialPoint {
  readonly metric: string;
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
}

/** From the compute thread to the main thread. */
export type ComputeMessage =
  | { type: "progress"; done: number; total: number; label: string }
  | { type: "log"; message: string }
  | { type: "partial"; step: number; points: readonly PartialPoint[] }
  | { type: "done"; result: unknown }
  | { type: "failed"; error: WireError };
