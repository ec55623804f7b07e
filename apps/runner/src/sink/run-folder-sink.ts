import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import {
  type Failure,
  type MetricLine,
  type Reproduction,
  RUN_FOLDER_FORMAT,
  type RunRecord,
  type Series,
} from "@fmlab/experiment";
import type { LogEntry } from "../context/log-intake.ts";
import type { RecordedConfig } from "../context/recorded-config.ts";
import type { MetricPoint, StagedArtifact } from "../context/run-event.ts";
import { RunnerError } from "../errors.ts";
import type { RunEnd, RunSink, RunStart } from "./run-sink.ts";

/** Everything a run folder may hold. */
const OWN_ENTRIES = ["run.json", "summary.json", "metrics.jsonl", "log.txt", "series", "artifacts"];

/** Where a run folder is written, and the facts of its `run.json`. */
export interface RunFolderOptions {
  folder: string;
  runId: string;
  kind: string;
  definitionVersion: number;
  preset: string | null;
  config: Record<string, unknown>;
  /** Leaves out of a config what names this machine. */
  recordConfig: (config: Record<string, unknown>) => RecordedConfig;
  seed: number;
  /** Wall clock when the run began; the end is this plus the duration. */
  startedAt: Date;
  reproduction: Reproduction;
  onProgress?: (done: number, total: number, label: string) => void;
  onLog?: (entry: LogEntry) => void;
  onPoint?: (point: MetricPoint) => void;
}

/**
 * Makes the folder for a run.
 *
 * @param force replaces an earlier run in it; other files are left alone
 * @throws RunnerError `OUT_NOT_EMPTY`
 */
export function prepareRunFolder(folder: string, force: boolean): void {
  mkdirSync(folder, { recursive: true });
  const present = readdirSync(folder);
  if (present.length === 0) return;
  if (!force) {
    throw new RunnerError(
      `out folder ${folder} is not empty (${present.slice(0, 5).join(", ")}); ` +
        "name another one, or pass --force to replace the run in it",
      { code: "OUT_NOT_EMPTY", path: folder },
    );
  }
  for (const name of OWN_ENTRIES) rmSync(join(folder, name), { recursive: true, force: true });
}

/**
 * Writes a run folder as the run goes. It can be read at any moment: until the end `run.json` says
 * that the run was cut off, pictures and records are replaced whole, and of the two growing files
 * at most the last line can be partial.
 */
export class RunFolderSink implements RunSink {
  readonly #options: RunFolderOptions;
  readonly #metrics: number;
  readonly #log: number;
  #record: RunRecord;
  #isConfigScrubbed = false;

  constructor(options: RunFolderOptions) {
    this.#options = options;
    const { folder } = options;
    this.#metrics = openSync(join(folder, "metrics.jsonl"), "w");
    this.#log = openSync(join(folder, "log.txt"), "w");
    const startedAt = options.startedAt.toISOString();
    this.#record = {
      format: RUN_FOLDER_FORMAT,
      runId: options.runId,
      kind: options.kind,
      definitionVersion: options.definitionVersion,
      preset: options.preset,
      config: this.#recorded(options.config),
      seed: options.seed,
      fidelity: "measured",
      state: "FAILED",
      failure: {
        code: "HOST_LOST",
        message: "the run was cut off: its process ended before it did",
      },
      startedAt,
      finishedAt: startedAt,
      ...this.#withNote(options.reproduction),
    };
    this.#write("run.json", this.#record);
  }

  start({ definitionVersion, config, fidelity, reproduction }: RunStart): void {
    const recorded = this.#recorded(config);
    const record = { ...this.#record, definitionVersion, fidelity, config: recorded };
    this.#record = { ...record, ...this.#withNote(reproduction) };
    this.#write("run.json", this.#record);
  }

  metrics(points: readonly MetricPoint[]): void {
    const lines = points.map(({ key, step, value, timeMs }) => {
      const line: MetricLine = { key, step, value, timeMs: Math.round(timeMs * 1_000) / 1_000 };
      return `${JSON.stringify(line)}\n`;
    });
    writeSync(this.#metrics, lines.join(""));
    for (const point of points) this.#options.onPoint?.(point);
  }

  log(entry: LogEntry): void {
    writeSync(this.#log, `${formatLogLine(entry)}\n`);
    this.#options.onLog?.(entry);
  }

  progress(done: number, total: number, label: string): void {
    this.#options.onProgress?.(done, total, label);
  }

  series(name: string, data: Series): void {
    mkdirSync(join(this.#options.folder, "series"), { recursive: true });
    this.#write(join("series", `${name}.json`), data);
  }

  artifact(artifact: StagedArtifact): void {
    const folder = join(this.#options.folder, "artifacts");
    mkdirSync(folder, { recursive: true });
    const draft = join(folder, `.${artifact.name}.part`);
    copyFileSync(artifact.file, draft);
    renameSync(draft, join(folder, artifact.name));
    rmSync(artifact.file, { force: true });
  }

  async finish(end: RunEnd): Promise<void> {
    const { startedAt } = this.#options;
    this.#write("summary.json", end.summary ?? {});
    closeSync(this.#metrics);
    closeSync(this.#log);
    const failure: Failure | null = end.failure;
    this.#record = {
      ...this.#record,
      fidelity: end.fidelity,
      state: end.state,
      failure,
      finishedAt: new Date(startedAt.getTime() + end.durationMs).toISOString(),
      ...this.#withNote(end.reproduction),
    };
    this.#write("run.json", this.#record);
  }

  #recorded(config: Record<string, unknown>): Record<string, unknown> {
    const { config: recorded, absoluteFiles } = this.#options.recordConfig(config);
    this.#isConfigScrubbed = absoluteFiles.length > 0;
    return recorded;
  }

  /** Says in the notes that the config names files by less than it was given. */
  #withNote(reproduction: Reproduction): Reproduction {
    if (!this.#isConfigScrubbed) return reproduction;
    return { ...reproduction, notes: { ...reproduction.notes, configScrubbed: true } };
  }

  /** Replaces a file whole: a reader sees the old content or the new one. */
  #write(name: string, value: unknown): void {
    const path = join(this.#options.folder, name);
    const draft = `${path}.part`;
    writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`);
    renameSync(draft, path);
  }
}

/** One line of log.txt: seconds since the start, level, text. */
export function formatLogLine({ timeMs, level, text }: LogEntry): string {
  return `${(timeMs / 1_000).toFixed(3)} ${level} ${text}`;
}

/** True when a folder holds a run. */
export function isRunFolder(folder: string): boolean {
  return existsSync(join(folder, "run.json"));
}
