import { type MachineMetricKey, metricKey } from "@fmlab/experiment";
import type { MetricPoint } from "../context/run-event.ts";
import type { GpuReader, GpuSample } from "./gpu-reader.ts";

/** What a sampler works with. */
export interface SamplerParts {
  reader: Pick<GpuReader, "sample">;
  intervalMs: number;
  /** Monotonic, ms since the run's start. */
  nowMs: () => number;
  emit: (points: MetricPoint[]) => void;
  /** Calls `act` after a while, unless what it returns is called before. */
  later: (delayMs: number, act: () => void) => () => void;
}

/**
 * Looks at the GPUs again and again while a run goes and tells what it saw as points of the
 * machine's metrics. Looks lie on a fixed raster; one that takes longer than the interval costs the
 * next, so that they never pile up. It ends by itself when the GPUs can no longer be read.
 */
export class GpuSampler {
  readonly #parts: SamplerParts;
  #cancel: () => void = () => undefined;
  #isStopped = false;

  constructor(parts: SamplerParts) {
    this.#parts = parts;
    void this.#look();
  }

  /** Nothing is told after this, also not what is being read just now. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  async #look(): Promise<void> {
    const { reader, intervalMs, nowMs, emit, later } = this.#parts;
    const timeMs = nowMs();
    const samples = await reader.sample().catch(() => undefined);
    if (this.#isStopped || samples === undefined) return;
    emit(pointsOf(samples, timeMs));
    const dueMs = (Math.floor(nowMs() / intervalMs) + 1) * intervalMs;
    this.#cancel = later(dueMs - nowMs(), () => void this.#look());
  }
}

/** Samples as points; with several GPUs each has its label. The step is seconds since the start. */
function pointsOf(samples: readonly GpuSample[], timeMs: number): MetricPoint[] {
  const step = Math.round(timeMs) / 1_000;
  return samples.flatMap((sample, gpu) =>
    (Object.keys(sample) as MachineMetricKey[]).map((key) => ({
      key: metricKey(key, samples.length > 1 ? { gpu } : {}),
      step,
      value: sample[key] ?? null,
      timeMs,
    })),
  );
}
