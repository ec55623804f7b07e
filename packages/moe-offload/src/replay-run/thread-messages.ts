import type { WireError } from "../decode/wire-error.ts";
import type { PlanConfig } from "../definitions/plan.ts";
import type { ReplayConfig } from "../definitions/replay.ts";

/** A plan to make. */
export interface PlanJob {
  readonly kind: "plan";
  readonly config: PlanConfig;
  /** The model file; undefined for a shape. */
  readonly modelPath: string | undefined;
  readonly seed: number;
}

/** Cells to replay. */
export interface ReplayJob {
  readonly kind: "replay";
  readonly config: ReplayConfig;
  /** The model file and the trace file, where the config needs them. */
  readonly modelPath: string | undefined;
  readonly tracePath: string | undefined;
  readonly seed: number;
}

/** Work of the thread. */
export type ThreadJob = PlanJob | ReplayJob;

/** What the thread is started with. */
export interface ThreadInput {
  readonly job: ThreadJob;
  /** One shared entry; nonzero asks the work to stop. */
  readonly cancelFlag: Int32Array;
}

/** What a job may do while it runs. */
export interface JobHost {
  readonly cancelFlag: Int32Array;
  /** Monotonic, ms. */
  nowMs(): number;
  /** @throws ExperimentError `CANCELLED` */
  throwIfCancelled(): void;
  /** `total` 0 means unknown. */
  progress(done: number, total: number, label: string): void;
  log(message: string): void;
  /** Something is finished before all of it is. */
  partial(value: unknown): void;
}

/** From the thread to the one that started it. */
export type ThreadMessage =
  | { type: "progress"; done: number; total: number; label: string }
  | { type: "log"; message: string }
  | { type: "partial"; value: unknown }
  | { type: "done"; result: unknown }
  | { type: "failed"; error: WireError };
