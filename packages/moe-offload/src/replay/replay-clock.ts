import type { RoutingShape } from "../offload/routing.ts";
import type { Scheduler } from "../offload/scheduler.ts";
import { type ComputeTimes, type LayerComputeTimes, wholeMs } from "./compute-times.ts";
import type { VirtualLane } from "./virtual-lane.ts";

const NO_TIME: LayerComputeTimes = {
  attentionMs: 0,
  attentionMsPerPosition: 0,
  sharedMs: 0,
  expertsMs: [0],
  combineMs: 0,
};

/**
 * Imitates the engine's computing: the same graphs in the same order (`engine/split-graphs.ts`),
 * each of which takes its time while the lane goes on.
 */
export class ReplayClock {
  /** Time spent computing, and beside it on graphs and misses, since the first token. */
  computeMs = 0;
  overheadMs = 0;
  readonly #lane: VirtualLane;
  readonly #times: ComputeTimes;
  /** By chosen expert: 1 when its row is computed. */
  readonly #isComputed: Uint8Array;

  constructor(lane: VirtualLane, shape: RoutingShape, times: ComputeTimes) {
    this.#lane = lane;
    this.#times = times;
    this.#isComputed = new Uint8Array(shape.expertUsedCount);
  }

  /** Layers without routed experts. */
  dense(layerCount: number): void {
    for (let i = 0; i < layerCount; i++) this.#graph(this.#times.denseMs);
  }

  /** Attention and router. */
  attention(index: number, position: number): void {
    const { attentionMs, attentionMsPerPosition } = this.#of(index);
    this.#graph(attentionMs + attentionMsPerPosition * position);
  }

  /** After the last layer. */
  head(): void {
    this.#graph(this.#times.headMs);
  }

  /** Waits for all experts of a layer, then computes them as one graph. */
  allAtOnce(index: number, scheduler: Scheduler): void {
    let isMissing = false;
    for (let i = 0; i < this.#isComputed.length; i++) {
      if (!scheduler.isReady(i)) isMissing = true;
      scheduler.waitFor(i);
    }
    if (isMissing) this.#miss();
    this.#graph(wholeMs(this.#of(index)));
  }

  /** Computes what is there while the rest arrives. */
  readyFirst(index: number, scheduler: Scheduler): void {
    const isComputed = this.#isComputed;
    const count = isComputed.length;
    const { sharedMs, expertsMs, combineMs } = this.#of(index);
    let ready = 0;
    for (let i = 0; i < count; i++) if (scheduler.isReady(i)) ready++;
    if (ready === count) {
      this.#graph(wholeMs(this.#of(index)));
      return;
    }
    isComputed.fill(0);
    if (sharedMs > 0) this.#graph(sharedMs);
    for (let waiting = count, first = 0; waiting > 0; ) {
      let gathered = 0;
      for (let i = 0; i < count; i++) {
        if (isComputed[i] === 1 || !scheduler.isReady(i)) continue;
        isComputed[i] = 1;
        gathered++;
      }
      if (gathered > 0) this.#graph(expertsMs[gathered] ?? 0);
      waiting -= gathered;
      if (gathered > 0 || waiting === 0) continue;
      while (isComputed[first] === 1) first++;
      scheduler.waitFor(first);
    }
    this.#miss();
    this.#graph(combineMs);
  }

  /**
   * The CPU computes its share for `cpuMs` while the card computes the others, if they are there;
   * if not, while they come (`engine/device/device-split-graphs.ts`).
   */
  besideCpu(index: number, scheduler: Scheduler, cpuMs: number): void {
    let isHere = true;
    for (let i = 0; i < this.#isComputed.length; i++) if (!scheduler.isReady(i)) isHere = false;
    const cardMs = wholeMs(this.#of(index));
    if (isHere) {
      this.#graph(Math.max(cpuMs, cardMs));
      return;
    }
    this.computeMs += cpuMs;
    this.#lane.advance(cpuMs);
    for (let i = 0; i < this.#isComputed.length; i++) scheduler.waitFor(i);
    this.#miss();
    this.#graph(cardMs);
  }

  #of(index: number): LayerComputeTimes {
    return this.#times.layers[index] ?? NO_TIME;
  }

  #miss(): void {
    const { missMs = 0 } = this.#times;
    this.overheadMs += missMs;
    this.#lane.advance(missMs);
  }

  #graph(ms: number): void {
    const { graphMs } = this.#times;
    this.computeMs += ms;
    this.overheadMs += graphMs;
    this.#lane.advance(ms + graphMs);
  }
}
