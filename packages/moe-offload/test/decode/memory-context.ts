import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import {
  ExperimentError,
  type LogLevel,
  type MetricAxes,
  metricKey,
  type RunContext,
  type Series,
  type SeriesInput,
  seriesSchema,
} from "@fmlab/experiment";
import { definitions } from "../../src/definitions/index.ts";
import { MODELS_DIR } from "../shipped-model.ts";

/** A third back end of RunContext: it keeps everything in memory and checks it like the others. */
export class MemoryContext implements RunContext {
  readonly seed: number;
  readonly kind = "moe-offload.decode";
  readonly modelsDir: string;
  readonly dataDir = undefined;
  readonly scratchDir = mkdtempSync(join(tmpdir(), "fmlab-scratch-"));
  readonly machine = {
    cpuModel: "test",
    cpuCount: 1,
    memoryBytes: 0,
    platform: "test",
    arch: "test",
    kernel: "",
    nodeVersion: "",
    gpus: [],
  };
  readonly points = new Map<string, { step: number; value: number }[]>();
  readonly pictures = new Map<string, Series>();
  readonly notes = new Map<string, string | number | boolean>();
  readonly files = new Map<string, Uint8Array>();
  readonly lines: { level: LogLevel; message: string }[] = [];
  readonly progresses: { done: number; total: number }[] = [];
  readonly controller = new AbortController();
  /** Called after each metric point; a test may cancel there. */
  onMetric: (key: string) => void = () => {};
  #startMs = performance.now();

  constructor(seed = 1, modelsDir = MODELS_DIR) {
    this.seed = seed;
    this.modelsDir = modelsDir;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }
  nowMs(): number {
    return performance.now() - this.#startMs;
  }
  log(message: string, level: LogLevel = "info"): void {
    this.lines.push({ level, message });
  }
  metric(key: string, value: number, axes: MetricAxes = {}): void {
    if (definitions[0]?.metrics[key] === undefined) throw new Error(`${key} is not declared`);
    const { step, ...labels } = axes;
    const curve = this.points.get(metricKey(key, labels)) ?? [];
    const at = step ?? curve.length;
    if (at < (curve.at(-1)?.step ?? 0)) throw new Error(`the step of ${key} falls`);
    curve.push({ step: at, value });
    this.points.set(metricKey(key, labels), curve);
    this.onMetric(key);
  }
  progress(done: number, total: number): void {
    this.progresses.push({ done, total });
  }
  series(name: string, data: SeriesInput): void {
    this.pictures.set(name, seriesSchema.parse(data));
  }
  async artifact(name: string, bytes: Uint8Array): Promise<void> {
    this.files.set(name, bytes);
  }
  note(key: string, value: string | number | boolean): void {
    this.notes.set(key, value);
  }
  async resolveFile(path: string): Promise<string> {
    const resolved = isAbsolute(path) ? path : join(this.modelsDir, path);
    if (existsSync(resolved)) return resolved;
    throw new ExperimentError(`${path} is missing`, { code: "MISSING_FILE", path });
  }
}
