import type { ExpertKey } from "../offload/routing.ts";
import type { SlotStream } from "./slot-stream.ts";

/** One expert and the rows that it has to compute. */
export interface ExpertWork {
  readonly expert: number;
  /** Numbers `token * used + rank`, tokens numbered in the activation memory. May be empty. */
  readonly rows: Int32Array;
  /** The layer needs the expert again after this, for other rows. */
  readonly isNeededAgain?: boolean;
}

/**
 * `arrival`: whatever is ready first, in the order given among those. `given`: strictly in the
 * order given, waiting for each.
 */
export type WaveOrder = "arrival" | "given";

/** What a stream calls an expert of a layer, in the precision in which it is computed. */
export type KeyOf = (layer: number, expert: number) => ExpertKey;

/** Computes experts of a layer as their work is given, all of them told to the stream as needed. */
export interface WaveRunner {
  /** @throws whatever the lane throws */
  run(layer: number, work: readonly ExpertWork[], order: WaveOrder): void;
}

/**
 * Rows that one wave computes at most. Larger waves keep slots from being loaded anew for longer,
 * smaller ones pay the start of a graph (some microseconds) more often; chosen.
 */
export const WAVE_ROWS_MAX = 256;

/**
 * Computes the experts of a layer in waves: those that are ready, while the others arrive. Each is
 * given up as soon as it is done, so that its slot can be loaded with the next.
 */
export class WaveLoop implements WaveRunner {
  readonly #stream: SlotStream;
  readonly #keyOf: KeyOf;
  readonly #compute: (layer: number, ready: readonly ExpertWork[]) => void;

  /**
   * @param keyOf    what the stream calls an expert; the experts of a layer where all are in full
   * @param compute  computes one wave, whose experts are all ready
   */
  constructor(
    stream: SlotStream,
    keyOf: KeyOf | number,
    compute: (layer: number, ready: readonly ExpertWork[]) => void,
  ) {
    this.#stream = stream;
    this.#keyOf = typeof keyOf === "number" ? (layer, expert) => layer * keyOf + expert : keyOf;
    this.#compute = compute;
  }

  run(layer: number, work: readonly ExpertWork[], order: WaveOrder): void {
    const stream = this.#stream;
    const keyOf = (expert: number) => this.#keyOf(layer, expert);
    let pending = work;
    stream.pump();
    while (pending.length > 0) {
      const ready = this.#readyOf(pending, keyOf, order);
      if (ready.length === 0) {
        if (order === "arrival") stream.waitForNext();
        else stream.waitForExpert(keyOf(pending[0]?.expert ?? 0));
        continue;
      }
      this.#compute(layer, ready);
      for (const { expert, isNeededAgain } of ready) {
        stream.done(keyOf(expert), isNeededAgain !== true);
      }
      const isDone = new Set(ready);
      pending = pending.filter((one) => !isDone.has(one));
      stream.pump();
    }
  }

  /** What the next wave computes: ready experts with as many rows as fit, one at least. */
  #readyOf(
    pending: readonly ExpertWork[],
    keyOf: (expert: number) => number,
    order: WaveOrder,
  ): ExpertWork[] {
    const ready: ExpertWork[] = [];
    let rows = 0;
    for (const one of pending) {
      if (!this.#stream.isReady(keyOf(one.expert))) {
        if (order === "given") break;
        continue;
      }
      if (ready.length > 0 && rows + one.rows.length > WAVE_ROWS_MAX) break;
      ready.push(one);
      rows += one.rows.length;
    }
    return ready;
  }
}
