import type { FinishedLoad, Lane } from "./lane.ts";
import type { PrefetchControl } from "./prefetch-control.ts";
import type { ScheduleCounts, SchedulerParts } from "./scheduler.ts";

/** Measures layers and transfers for the prefetch control, from the lane's clock. */
export class LayerWatch {
  readonly #control: PrefetchControl;
  readonly #lane: Lane;
  readonly #counts: ScheduleCounts;
  readonly #isIdle: boolean;
  readonly #parts: Pick<SchedulerParts, "cpuShare" | "onLoad" | "twins">;
  #layer = -1;
  #startMs = 0;
  #stallBeforeMs = 0;
  /** When the last demanded transfer of the layer ended; its start when there was none. */
  #demandEndMs = 0;
  #hasDemand = false;

  constructor(
    control: PrefetchControl,
    lane: Lane,
    counts: ScheduleCounts,
    parts: Pick<SchedulerParts, "cpuShare" | "onLoad" | "twins">,
  ) {
    this.#control = control;
    this.#lane = lane;
    this.#counts = counts;
    this.#parts = parts;
    this.#isIdle = control.widthMax === 0;
  }

  /** Takes in the loads that have ended. */
  settle(): void {
    this.#lane.drain(this.#take);
  }

  /** A layer asks for its experts: the one before it is over. */
  begin(layer: number): void {
    this.settle();
    if (this.#isIdle) return;
    const nowMs = this.#lane.nowMs();
    if (this.#layer >= 0) {
      this.#control.onLayer({
        layer: this.#layer,
        totalMs: nowMs - this.#startMs,
        stallMs: this.#counts.stallMs - this.#stallBeforeMs,
        windowMs: Math.max(0, nowMs - this.#demandEndMs),
        hadDemand: this.#hasDemand,
      });
    }
    this.#layer = layer;
    this.#startMs = nowMs;
    this.#demandEndMs = nowMs;
    this.#hasDemand = false;
    this.#stallBeforeMs = this.#counts.stallMs;
  }

  /** The layer has queued demanded loads. */
  demanded(): void {
    this.#hasDemand = true;
  }

  #take = (load: FinishedLoad): void => {
    if (load.urgency === "demand") this.#demandEndMs = Math.max(this.#demandEndMs, load.endMs);
    // What is prefetched is full: a twin's time says how long that would have taken.
    this.#control.onTransfer(this.#parts.twins?.fullMs(load) ?? load.endMs - load.startMs);
    this.#parts.cpuShare?.onCopy(load.bytes, load.endMs - load.startMs);
    this.#parts.onLoad?.(load);
  };
}
