import { join } from "node:path";
import { type AnyExperiment, type RunContext, seriesSchema } from "@fmlab/experiment";

/** A run's context that keeps everything in memory and takes only what the definition declares. */
export class RecordContext implements RunContext {
  readonly kind: string;
  readonly modelsDir = "";
  readonly scratchDir = "";
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
  readonly points = new Map<string, number>();
  readonly pictures = new Map<string, unknown>();
  readonly artifacts = new Map<string, string>();
  readonly notes = new Map<string, unknown>();
  readonly controller = new AbortController();

  constructor(
    readonly definition: AnyExperiment,
    readonly dataDir: string | undefined,
    readonly seed = 1,
  ) {
    this.kind = definition.kind;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }
  nowMs(): number {
    return 0;
  }
  log(): void {}
  metric(key: string, value: number, axes: Record<string, unknown> = {}): void {
    if (!this.definition.metrics[key]) throw new Error(`${key} is not declared`);
    const label = Object.values(axes).filter((axis) => typeof axis === "string");
    // Both real back ends refuse these.
    const wrong = label.find((text) => /[{},=\s]/.test(text));
    if (wrong !== undefined) throw new Error(`the label "${wrong}" of ${key} has a space or sign`);
    this.points.set([key, ...label].join(" "), value);
  }
  progress(): void {}
  series(name: string, data: unknown): void {
    const view = this.definition.views.find(({ series }) => series === name);
    if (view?.kind !== seriesSchema.parse(data).kind) throw new Error(`${name} has no such view`);
    this.pictures.set(name, data);
  }
  async artifact(name: string, bytes: Uint8Array): Promise<void> {
    this.artifacts.set(name, new TextDecoder().decode(bytes));
  }
  note(key: string, value: unknown): void {
    this.notes.set(key, value);
  }
  async resolveFile(path: string): Promise<string> {
    return path.startsWith("/") ? path : join(this.dataDir ?? "", path);
  }
}
