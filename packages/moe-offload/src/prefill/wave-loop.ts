import type { ExpertKey } from "../offload/routing.ts";
import type { ExpertStream } from "./expert-stream.ts";

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

/** Returns when a wave has been computed. */
export type Finish = () => void;

/**
 * Computes or begins to compute one wave, whose experts are all ready.
 * @returns what waits for its end; nothing when it has ended
 */
export type ComputeWave = (layer: number, ready: readonly ExpertWork[]) => Finish | undefined;

/**
 * Waves that are begun before the oldest of them must have ended: one computes while the next one
 * waits behind it. More would keep slots from being loaded anew for longer; chosen.
 */
const WAVES_UNDER_WAY = 2;

/** A wave that is being computed. */
interface WaveUnderWay {
  readonly layer: number;
  readonly ready: readonly ExpertWork[];
  readonly finish: Finish;
}

/**
 * Computes the experts of a layer in waves: those that are ready, while the others arrive. Each is
 * given up as soon as it is done, so that its slot can be loaded with the next.
 */
export class WaveLoop implements WaveRunner {
  readonly #stream: ExpertStream;
  readonly #keyOf: KeyOf;
  readonly #compute: ComputeWave;
  readonly #underWay: WaveUnderWay[] = [];

  /** @param keyOf  what the stream calls an expert; experts of a layer where all are in full */
  constructor(stream: ExpertStream, keyOf: KeyOf | number, compute: ComputeWave) {
    this.#stream = stream;
    this.#keyOf = typeof keyOf === "number" ? (layer, expert) => layer * keyOf + expert : keyOf;
    this.#compute = compute;
  }

  /** In the order "arrival" the last waves may still be under way afterwards: see `settle`. */
  run(layer: number, work: readonly ExpertWork[], order: WaveOrder): void {
    const stream = this.#stream;
    const keyOf = (expert: number) => this.#keyOf(layer, expert);
    let pending = work;
    stream.pump();
    while (pending.length > 0) {
      const ready = this.#readyOf(pending, keyOf, order);
      if (ready.length === 0) {
        // What is computed holds slots, so its end comes before any waiting for loads.
        if (this.#underWay.length > 0) this.#finishFirst();
        else if (order === "arrival") stream.waitForNext();
        else stream.waitForExpert(keyOf(pending[0]?.expert ?? 0));
        continue;
      }
      this.#begin(layer, ready);
      const isBegun = new Set(ready);
      pending = pending.filter((one) => !isBegun.has(one));
      stream.pump();
    }
    if (order === "given") this.settle();
  }

  /** Waits for what is still computed, and gives its experts up. */
  settle(): void {
    while (this.#underWay.length > 0) this.#finishFirst();
  }

  /** A pass has failed, and nothing is computed any more. */
  abandon(): void {
    this.#underWay.length = 0;
  }

  #begin(layer: number, ready: readonly ExpertWork[]): void {
    const finish = this.#compute(layer, ready);
    if (!finish) {
      this.#giveUp(layer, ready);
      return;
    }
    this.#underWay.push({ layer, ready, finish });
    if (this.#underWay.length > WAVES_UNDER_WAY) this.#finishFirst();
  }

  #finishFirst(): void {
    const wave = this.#underWay.shift();
    if (!wave) return;
    wave.finish();
    this.#giveUp(wave.layer, wave.ready);
    this.#stream.pump();
  }

  #giveUp(layer: number, ready: readonly ExpertWork[]): void {
    for (const { expert, isNeededAgain } of ready) {
      this.#stream.done(this.#keyOf(layer, expert), isNeededAgain !== true);
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
