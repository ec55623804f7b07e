import type { GpuFacts } from "./gpu.ts";
import type { SeriesInput } from "./series.ts";

/** How much a log line matters; `debug` is hidden by default. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Facts about the machine a run is on. No host name, user name or absolute path. */
export interface MachineFacts {
  cpuModel: string;
  /** Hardware threads usable by this process. */
  cpuCount: number;
  memoryBytes: number;
  platform: string;
  arch: string;
  kernel: string;
  nodeVersion: string;
  gpus: GpuFacts[];
}

/**
 * Where a metric point lies. `step` is the x axis; every other entry splits the metric in curves.
 */
export interface MetricAxes {
  /** Defaults to the number of earlier points of the same curve. Must not fall. */
  step?: number;
  [label: string]: number | string | undefined;
}

/**
 * All that an experiment may touch of the world. Two back ends exist: streaming to the platform and
 * writing a run folder; an experiment cannot tell them apart.
 */
export interface RunContext {
  /** Non-negative integer; the only source of randomness (derive generators from it). */
  readonly seed: number;
  readonly kind: string;
  /**
   * Aborted when the run is cancelled or its time limit has passed; stop soon, then return or
   * throw.
   */
  readonly signal: AbortSignal;
  readonly machine: MachineFacts;
  /** Folders a launched config's relative paths resolve in, in this order. */
  readonly modelsDir: string;
  /** Third-party data (`FMLAB_DATA_DIR`); undefined when the machine has none. */
  readonly dataDir: string | undefined;
  /** Empty folder for this run's temporary files; removed afterwards. */
  readonly scratchDir: string;
  /** Monotonic clock, ms; for `measured` metrics only. */
  nowMs(): number;
  log(message: string, level?: LogLevel): void;
  /** One point of a declared metric. NaN and infinities are kept as gaps and counted. */
  metric(key: string, value: number, axes?: MetricAxes): void;
  /** `total` 0 means unknown. */
  progress(done: number, total: number, label?: string): void;
  /** Writes or replaces a named picture's data; validated against its schema. */
  series(name: string, data: SeriesInput): void;
  /** Keeps a file with the run (at most 256 MiB). */
  artifact(name: string, bytes: Uint8Array, contentType?: string): Promise<void>;
  /** A remark that belongs to the reproduction record, e.g. that O_DIRECT was not available. */
  note(key: string, value: string | number | boolean): void;
  /**
   * Resolves a config's file field: inside the allowed folders for launched runs, any path for
   * `exec`.
   */
  resolveFile(path: string): Promise<string>;
}
