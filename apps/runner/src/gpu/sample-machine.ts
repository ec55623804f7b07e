import type { MetricPoint } from "../context/run-event.ts";
import { usageError } from "../errors.ts";
import { gpuReader } from "./gpu-reader.ts";
import { GpuSampler } from "./gpu-sampler.ts";

/** Below this the 40 ms that both PCIe counters take would fill the time. */
const INTERVAL_MS_MIN = 100;

/**
 * Begins to measure the machine for one run; the function it returns ends that.
 *
 * @param nowMs ms since the run's start
 */
export type SampleMachine = (
  nowMs: () => number,
  emit: (points: MetricPoint[]) => void,
) => () => void;

/**
 * How runs on this machine are watched: its GPUs every `intervalMs`. Undefined when that is 0, and
 * on a machine without a GPU.
 *
 * @throws RunnerError `USAGE` for an interval that is too short
 */
export async function sampleMachine(intervalMs: number): Promise<SampleMachine | undefined> {
  if (intervalMs === 0) return undefined;
  if (intervalMs < INTERVAL_MS_MIN) {
    throw usageError(
      `--gpu-sample ${intervalMs} must be 0 (off) or at least ${INTERVAL_MS_MIN} ms`,
    );
  }
  const reader = await gpuReader();
  if (reader === undefined) return undefined;
  return (nowMs, emit) => {
    const sampler = new GpuSampler({
      reader,
      intervalMs: Math.max(intervalMs, reader.intervalMsMin),
      nowMs,
      emit,
      later: (delayMs, act) => {
        const timer = setTimeout(act, delayMs);
        return () => clearTimeout(timer);
      },
    });
    return () => sampler.stop();
  };
}
