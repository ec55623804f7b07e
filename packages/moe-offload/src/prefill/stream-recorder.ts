import { STALL_CATEGORY, type TimelineSeries } from "@fmlab/experiment";
import type { FinishedLoad } from "../offload/lane.ts";
import type { RoutingShape } from "../offload/routing.ts";

/** Lanes of the timeline. */
export const STREAM_LANES = ["compute", "transfer"];
const COMPUTE = 0;
const TRANSFER = 1;
/** Events of a timeline; more cannot be told apart. Chosen. */
const EVENTS_MAX = 4000;

/** What computing, waiting and loading took since the last `take`. */
export interface StreamTimes {
  /** Attention, routers and shared experts; routed experts; what follows the last experts. */
  attentionMs: number;
  expertsMs: number;
  headMs: number;
  /** Time in which the computation waited for experts: bubbles. */
  waitMs: number;
  /** Time in which a transfer was under way, and bytes of those that ended. */
  transferMs: number;
  bytes: number;
  loads: number;
  waves: number;
}

/** Adds up where time goes, and keeps a timeline while asked to. */
export class StreamRecorder {
  readonly events: TimelineSeries["events"] = [];
  /** While true, what happens becomes timeline events. */
  recordsTimeline = false;
  readonly #shape: Pick<RoutingShape, "expertCount" | "layerCount">;
  #times = emptyTimes();
  #transferEndMs = 0;

  constructor(shape: Pick<RoutingShape, "expertCount" | "layerCount">) {
    this.#shape = shape;
  }

  /** A segment of a unit was computed; `layer` -1 is what follows the last experts. */
  onSegment = (startMs: number, endMs: number, layer: number, batch?: number): void => {
    const isHead = layer === -1;
    if (isHead) this.#times.headMs += endMs - startMs;
    else this.#times.attentionMs += endMs - startMs;
    const of = batch === undefined ? "" : ` batch ${batch}`;
    const label = isHead ? `head${of}` : `layer ${layer}${of} attention`;
    this.#add(COMPUTE, startMs, endMs, label, isHead ? "head" : "attention");
  };

  /** A wave of experts was computed. */
  onWave = (
    startMs: number,
    endMs: number,
    wave: { layer: number; experts: number; rows: number },
  ): void => {
    this.#times.expertsMs += endMs - startMs;
    this.#times.waves++;
    const label = `layer ${wave.layer}: ${wave.experts} experts, ${wave.rows} rows`;
    this.#add(COMPUTE, startMs, endMs, label, "experts");
  };

  /** The computation waited for an expert. */
  onWait = (startMs: number, endMs: number, key: number): void => {
    this.#times.waitMs += endMs - startMs;
    this.#add(COMPUTE, startMs, endMs, `waits for ${this.#nameOf(key)}`, STALL_CATEGORY);
  };

  /** A load has ended. */
  onLoad = (load: FinishedLoad): void => {
    const times = this.#times;
    times.bytes += load.bytes;
    times.loads++;
    // Loads may overlap; each moment counts once.
    times.transferMs += Math.max(0, load.endMs - Math.max(load.startMs, this.#transferEndMs));
    this.#transferEndMs = Math.max(this.#transferEndMs, load.endMs);
    this.#add(TRANSFER, load.startMs, load.endMs, this.#nameOf(load.key), load.urgency);
  };

  /** Sums since the last call, which start anew. */
  take(): StreamTimes {
    const times = this.#times;
    this.#times = emptyTimes();
    return times;
  }

  #nameOf(key: number): string {
    const { expertCount, layerCount } = this.#shape;
    const layer = Math.floor(key / expertCount);
    // Twins are numbered like layers after the last.
    const low = layer < layerCount ? "" : " (low)";
    return `layer ${layer % layerCount} expert ${key % expertCount}${low}`;
  }

  #add(lane: number, startMs: number, endMs: number, label: string, category: string): void {
    if (!this.recordsTimeline || this.events.length >= EVENTS_MAX) return;
    this.events.push({ lane, startMs, endMs, label, category });
  }
}

function emptyTimes(): StreamTimes {
  return {
    attentionMs: 0,
    expertsMs: 0,
    headMs: 0,
    waitMs: 0,
    transferMs: 0,
    bytes: 0,
    loads: 0,
    waves: 0,
  };
}
