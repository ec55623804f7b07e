import { STRATEGIES } from "../offload/strategies.ts";
import { openCell } from "./open-cell.ts";
import type { ShapeBench } from "./shape-job.ts";

/** Experts that are copied to measure a link, and those before that are not counted. */
const COPIES = 64;
const WARMUP = 8;

/**
 * The speed of the link between host memory and slots, over copies that wait for nothing, MB/s.
 */
export function measureLink(bench: ShapeBench): number {
  const slots = Math.min(COPIES + WARMUP, bench.layout.expertCount * bench.layout.moeLayers.length);
  const model = openCell(bench, STRATEGIES.lru, slots, { linkMBps: bench.job.linkMBps });
  const { lane } = model;
  if (!lane) return 0;
  try {
    const { expertCount, moeLayers } = bench.layout;
    const keyOf = (index: number) =>
      (moeLayers[Math.floor(index / expertCount)] ?? 0) * expertCount + (index % expertCount);
    const copy = (from: number, to: number) => {
      for (let slot = from; slot < to; slot++) lane.submit(keyOf(slot), slot, "demand");
      for (let slot = from; slot < to; slot++) lane.waitFor(slot);
    };
    copy(0, Math.min(WARMUP, slots));
    const startMs = lane.nowMs();
    copy(Math.min(WARMUP, slots), slots);
    const elapsedMs = lane.nowMs() - startMs;
    lane.drain(() => {});
    const bytes = (slots - WARMUP) * bench.layout.expertBytes;
    return bytes / 1e3 / elapsedMs;
  } finally {
    model.close();
  }
}
