import type { LogLevel, Series } from "@fmlab/experiment";

/** One point of one curve; a gap's value is null. Times count from the attempt's start, ms. */
export interface MetricPoint {
  key: string;
  step: number;
  value: number | null;
  timeMs: number;
}

/** A file kept with the run, staged in the scratch folder until a sink has taken it. */
export interface StagedArtifact {
  name: string;
  file: string;
  contentType: string;
  sizeBytes: number;
  sha256: string;
}

/** What a run tells while it goes, already validated. */
export type RunEvent =
  | { type: "metrics"; points: MetricPoint[] }
  | { type: "log"; timeMs: number; level: LogLevel; text: string }
  | { type: "progress"; done: number; total: number; label: string }
  | { type: "series"; name: string; data: Series }
  | { type: "artifact"; artifact: StagedArtifact }
  | { type: "note"; key: string; value: string | number | boolean };
