import type { Failure, Fidelity, Reproduction, Series, Summary } from "@fmlab/experiment";
import type { EndState } from "../attempt/classify-end.ts";
import type { LogEntry } from "../context/log-intake.ts";
import type { MetricPoint, StagedArtifact } from "../context/run-event.ts";

/** What is known of a run when its experiment begins. */
export interface RunStart {
  definitionVersion: number;
  config: Record<string, unknown>;
  fidelity: Fidelity;
  reproduction: Reproduction;
}

/** What a run came to. */
export interface RunEnd {
  state: EndState;
  failure: Failure | null;
  summary: Summary | null;
  fidelity: Fidelity;
  reproduction: Reproduction;
  durationMs: number;
}

/** Where a run's results go. All methods but `finish` return at once. */
export interface RunSink {
  start(start: RunStart): void;
  metrics(points: readonly MetricPoint[]): void;
  log(entry: LogEntry): void;
  progress(done: number, total: number, label: string): void;
  series(name: string, data: Series): void;
  /** Takes over the staged file. */
  artifact(artifact: StagedArtifact): void;
  /** Resolves when everything has been kept (or, for a fenced attempt, given up). */
  finish(end: RunEnd): Promise<void>;
}
