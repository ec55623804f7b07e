import type { TimelineSeries } from "@fmlab/experiment";
import type { LayerPhase, MoeShape } from "../engine/interfaces.ts";
import type { Transfer } from "../experts/link.ts";

/** Lanes of the timeline. */
const LANES = ["compute", "transfer"];
const COMPUTE = 0;
const TRANSFER = 1;

/** What was loaded and waited for since the last `takeStep`. */
export interface StepCounts {
  bytes: number;
  stallMs: number;
  /** By layer. */
  misses: number[];
}

/** Counts what the router chose and what was loaded, and keeps the first steps' timeline. */
export class Recorder {
  /** `[layer][expert]`, over decode steps. */
  readonly routed: number[][];
  readonly loads: number[][];
  readonly events: TimelineSeries["events"] = [];
  /** While true, routing and loads count for `routed` and `loads`. */
  countsDecode = false;
  /** While true, loads and phases become timeline events. */
  recordsTimeline = false;
  #shape: MoeShape;
  #step: StepCounts;
  #phase: { phase: LayerPhase; layer: number; startMs: number } | undefined;
  #nowMs: () => number;

  constructor(shape: MoeShape, nowMs: () => number) {
    const matrix = () =>
      Array.from({ length: shape.layerCount }, () => new Array<number>(shape.expertCount).fill(0));
    this.routed = matrix();
    this.loads = matrix();
    this.#shape = shape;
    this.#nowMs = nowMs;
    this.#step = emptyStep(shape);
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

  /** The cache's observer. */
  onLoad = (layer: number, expert: number, bytes: number, times: Transfer): void => {
    const step = this.#step;
    step.bytes += bytes;
    step.stallMs += times.endMs - times.startMs;
    step.misses[layer] = (step.misses[layer] ?? 0) + 1;
    const row = this.loads[layer];
    if (this.countsDecode && row !== undefined) row[expert] = (row[expert] ?? 0) + 1;
    if (!this.recordsTimeline) return;
    this.events.push({
      lane: TRANSFER,
      startMs: times.startMs,
      endMs: times.endMs,
      label: `layer ${layer} expert ${expert}`,
      category: "load",
    });
  };

  /** The engine's layer hook; set only while the timeline is recorded. */
  onPhase = (phase: LayerPhase, layer: number): void => {
    const nowMs = this.#nowMs();
    const ended = this.#phase;
    this.#phase = phase === "idle" ? undefined : { phase, layer, startMs: nowMs };
    // Waiting for experts is not computing; the transfer lane shows it.
    if (ended === undefined || ended.phase === "acquire" || ended.phase === "idle") return;
    this.events.push({
      lane: COMPUTE,
      startMs: ended.startMs,
      endMs: nowMs,
      label: ended.phase === "head" ? "head" : `layer ${ended.layer} ${ended.phase}`,
      category: ended.phase,
    });
  };

  /** Counts since the last call, which start anew. */
  takeStep(): StepCounts {
    const step = this.#step;
    this.#step = emptyStep(this.#shape);
    return step;
  }
}

function emptyStep(shape: MoeShape): StepCounts {
  return { bytes: 0, stallMs: 0, misses: new Array<number>(shape.layerCount).fill(0) };
}
