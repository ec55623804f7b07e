import type { TimelineSeries } from "@fmlab/experiment";
import type { LayerPhase, MoeShape } from "../engine/interfaces.ts";
import type { FinishedLoad } from "../offload/lane.ts";
import type { Scheduler } from "../offload/scheduler.ts";
import { twinKeyBase } from "../precision/twin-ranges.ts";

/** Lanes of the timeline. */
const LANES = ["compute", "transfer"];
const COMPUTE = 0;
const TRANSFER = 1;

/** What was loaded and waited for since the last `takeStep`. */
export interface StepCounts {
  /** Of transfers that have ended. */
  bytes: number;
  transferMs: number;
  stallMs: number;
  /** By layer. */
  misses: number[];
  lateHits: number;
  lowPrecision: number;
  cpuComputed: number;
}

/** Counts what the router chose and what was loaded, and keeps the first steps' timeline. */
export class Recorder {
  /** `[layer][expert]`, over decode steps. */
  readonly routed: number[][];
  readonly loads: number[][];
  /** By layer: bytes of `loads`. */
  readonly loadedBytes: number[];
  readonly events: TimelineSeries["events"] = [];
  /** While true, routing and loads count for `routed` and `loads`. */
  countsDecode = false;
  /** While true, loads and phases become timeline events. */
  recordsTimeline = false;
  #shape: MoeShape;
  #bytes = 0;
  #transferMs = 0;
  /** Counts of the scheduler at the last `takeStep`. */
  #before = {
    stallMs: 0,
    lateHits: 0,
    lowPrecision: 0,
    cpuComputed: 0,
    missed: [] as number[],
  };
  #phase: { phase: LayerPhase; layer: number; startMs: number } | undefined;
  #nowMs: () => number;

  constructor(shape: MoeShape, nowMs: () => number) {
    const matrix = () =>
      Array.from({ length: shape.layerCount }, () => new Array<number>(shape.expertCount).fill(0));
    this.routed = matrix();
    this.loads = matrix();
    this.loadedBytes = new Array<number>(shape.layerCount).fill(0);
    this.#shape = shape;
    this.#nowMs = nowMs;
  }

  get timeline(): Pick<TimelineSeries, "lanes" | "events"> {
    return { lanes: LANES, events: this.events };
  }

  /** The engine's routing hook. */
  onRouting = (layer: number, experts: Int32Array): void => {
    const row = this.routed[layer];
    if (!this.countsDecode || row === undefined) return;
    for (const expert of experts) row[expert] = (row[expert] ?? 0) + 1;
  };

  /** The scheduler's observer. */
  onLoad = ({ key, bytes, urgency, startMs, endMs }: FinishedLoad): void => {
    const { expertCount, layerCount } = this.#shape;
    // Twins are numbered like layers after the last.
    const layer = Math.floor(key / expertCount) % layerCount;
    const isTwin = key >= twinKeyBase(this.#shape);
    const expert = key % expertCount;
    this.#bytes += bytes;
    this.#transferMs += endMs - startMs;
    const row = this.loads[layer];
    if (this.countsDecode && row !== undefined) {
      row[expert] = (row[expert] ?? 0) + 1;
      this.loadedBytes[layer] = (this.loadedBytes[layer] ?? 0) + bytes;
    }
    if (!this.recordsTimeline) return;
    this.events.push({
      lane: TRANSFER,
      startMs,
      endMs,
      label: `layer ${layer} expert ${expert}${isTwin ? " (low)" : ""}`,
      category: urgency === "demand" ? "load" : "prefetch",
    });
  };

  /** The engine's layer hook; set only while the timeline is recorded. */
  onPhase = (phase: LayerPhase, layer: number): void => {
    const nowMs = this.#nowMs();
    const ended = this.#phase;
    this.#phase = phase === "idle" ? undefined : { phase, layer, startMs: nowMs };
    if (ended === undefined || ended.phase === "request" || ended.phase === "idle") return;
    this.events.push({
      lane: COMPUTE,
      startMs: ended.startMs,
      endMs: nowMs,
      label: ended.phase === "head" ? "head" : `layer ${ended.layer} ${ended.phase}`,
      category: ended.phase === "wait" ? "stall" : ended.phase,
    });
  };

  /** Counts since the last call, which start anew. */
  takeStep(scheduler: Scheduler): StepCounts {
    scheduler.settle();
    const { counts, layerCounts } = scheduler;
    const now = {
      stallMs: counts.stallMs,
      lateHits: counts.lateHits,
      lowPrecision: counts.lowPrecision,
      cpuComputed: counts.cpuComputed,
      missed: [...layerCounts.demanded].map((n, i) => n + (layerCounts.cpuComputed[i] ?? 0)),
    };
    const before = this.#before;
    const step = {
      bytes: this.#bytes,
      transferMs: this.#transferMs,
      stallMs: now.stallMs - before.stallMs,
      lateHits: now.lateHits - before.lateHits,
      lowPrecision: now.lowPrecision - before.lowPrecision,
      cpuComputed: now.cpuComputed - before.cpuComputed,
      misses: now.missed.map((count, layer) => count - (before.missed[layer] ?? 0)),
    };
    this.#before = now;
    this.#bytes = 0;
    this.#transferMs = 0;
    return step;
  }
}
