import type { AnyExperiment, MetricAxes, Summary } from "@fmlab/experiment";
import { metricKey, parseConfig } from "@fmlab/experiment";
import { MemoryContext } from "../decode/memory-context.ts";

/** A context for an experiment that is not this package's first. */
export class BatchContext extends MemoryContext {
  readonly #experiment: AnyExperiment;

  constructor(experiment: AnyExperiment, seed = 1) {
    super(seed);
    this.#experiment = experiment;
  }

  override metric(key: string, value: number, axes: MetricAxes = {}): void {
    if (!this.#experiment.metrics[key]) throw new Error(`${key} is not declared`);
    const { step, ...labels } = axes;
    const curve = this.points.get(metricKey(key, labels)) ?? [];
    curve.push({ step: step ?? curve.length, value });
    this.points.set(metricKey(key, labels), curve);
    this.onMetric(key);
  }

  override series(name: string, data: Parameters<MemoryContext["series"]>[1]): void {
    if (!this.#experiment.views.some((view) => view.series === name)) {
      throw new Error(`no view draws ${name}`);
    }
    super.series(name, data);
  }
}

/** Runs an experiment as a runner does: parse, load, run. */
export async function runExperiment(
  experiment: AnyExperiment,
  config: Record<string, unknown>,
  ctx = new BatchContext(experiment),
): Promise<{ ctx: BatchContext; summary: Summary }> {
  const parsed = parseConfig(experiment, config);
  const module = await experiment.load();
  return { ctx, summary: await module.run(ctx, parsed) };
}
