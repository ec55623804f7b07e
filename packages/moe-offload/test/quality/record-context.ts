import { join } from "node:path";
import { type AnyExperiment, type RunContext, seriesSchema } from "@fmlab/experiment";

/** A run's context that keeps everything in memory and takes only what the definition declares. */
export class RecordContext implements RunContext {
  readonly seed = 1;
  readonly kind: string;
  readonly dataDir = undefined;
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
  readonly points = new Map<string, number[]>();
  readonly pictures = new Set<string>();
  readonly labels: string[] = [];
  readonly controller = new AbortController();
  /** Called after each report of progress; a test may cancel there. */
  onProgress: (label: string) => void = () => {};
  readonly #definition: AnyExperiment;

  constructor(
    definition: AnyExperiment,
    readonly modelsDir: string,
    readonly scratchDir: string,
  ) {
    this.#definition = definition;
    this.kind = definition.kind;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }
  nowMs(): number {
    return 0;
  }
  log(): void {}
  metric(key: string, value: number): void {
    if (!this.#definition.metrics[key]) throw new Error(`${key} is not declared`);
    this.points.set(key, [...(this.points.get(key) ?? []), value]);
  }
  progress(_done: number, _total: number, label = ""): void {
    this.labels.push(label);
    this.onProgress(label);
  }
  series(name: string, data: unknown): void {
    const view = this.#definition.views.find(({ series }) => series === name);
    if (view?.kind !== seriesSchema.parse(data).kind) throw new Error(`${name} has no such view`);
    this.pictures.add(name);
  }
  async artifact(): Promise<void> {}
  note(): void {}
  async resolveFile(path: string): Promise<string> {
    return join(this.modelsDir, path);
  }
}
