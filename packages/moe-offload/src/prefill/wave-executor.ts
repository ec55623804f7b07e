import type { Machine } from "../engine/machine.ts";
import type { ActivationMemory } from "./activation-memory.ts";
import type { SlotStream } from "./slot-stream.ts";
import { WaveGraph } from "./wave-graph.ts";

/** One expert and the rows that it has to compute. */
export interface ExpertWork {
  readonly expert: number;
  /** Numbers `token * used + rank`, tokens numbered in the activation memory. May be empty. */
  readonly rows: Int32Array;
  /** The layer needs the expert again after this, for other rows. */
  readonly isNeededAgain?: boolean;
}

/**
 * `arrival`: whatever is ready first, in the order given among those. `given`: strictly in the order
 * given, waiting for each.
 */
export type WaveOrder = "arrival" | "given";

/** Told of each wave: when it was computed, of which layer, how many experts and rows it had. */
export type OnWave = (
  startMs: number,
  endMs: number,
  wave: { layer: number; experts: number; rows: number },
) => void;

/**
 * Rows that one wave computes at most. Larger waves keep slots from being loaded anew for longer,
 * smaller ones pay the start of a graph (some microseconds) more often; chosen.
 */
export const WAVE_ROWS_MAX = 256;

/**
 * Computes the experts of a layer in waves: those that are ready, while the others arrive. Each is
 * given up as soon as it is done, so that its slot can be loaded with the next.
 */
export class WaveExecutor {
  onWave: OnWave | undefined;
  readonly #machine: Machine;
  readonly #memory: ActivationMemory;
  readonly #stream: SlotStream;
  readonly #nowMs: () => number;
  /** By class of slots. */
  readonly #graphs: (WaveGraph | undefined)[] = [];

  constructor(
    machine: Machine,
    memory: ActivationMemory,
    stream: SlotStream,
    nowMs: () => number,
  ) {
    this.#machine = machine;
    this.#memory = memory;
    this.#stream = stream;
    this.#nowMs = nowMs;
  }

  /**
   * Computes every row of `work` into the activation memory. All its experts have been told to the
   * stream as needed.
   *
   * @throws whatever the lane throws
   */
  run(layer: number, work: readonly ExpertWork[], order: WaveOrder): void {
    const stream = this.#stream;
    let pending = work;
    stream.pump();
    while (pending.length > 0) {
      const ready = this.#readyOf(layer, pending, order);
      if (ready.length === 0) {
        if (order === "arrival") stream.waitForNext();
        else stream.waitForExpert(this.#keyOf(layer, pending[0]?.expert ?? 0));
        continue;
      }
      this.#compute(layer, ready);
      for (const { expert, isNeededAgain } of ready) {
        stream.done(this.#keyOf(layer, expert), isNeededAgain !== true);
      }
      const isDone = new Set(ready);
      pending = pending.filter((one) => !isDone.has(one));
      stream.pump();
    }
  }

  /** Frees the graphs. */
  close(): void {
    for (const graph of this.#graphs) graph?.close();
  }

  /** What the next wave computes: ready experts with as many rows as fit, one at least. */
  #readyOf(layer: number, pending: readonly ExpertWork[], order: WaveOrder): ExpertWork[] {
    const ready: ExpertWork[] = [];
    let rows = 0;
    for (const one of pending) {
      if (!this.#stream.isReady(this.#keyOf(layer, one.expert))) {
        if (order === "given") break;
        continue;
      }
      if (ready.length > 0 && rows + one.rows.length > WAVE_ROWS_MAX) break;
      ready.push(one);
      rows += one.rows.length;
    }
    return ready;
  }

  #compute(layer: number, ready: readonly ExpertWork[]): void {
    const startMs = this.#nowMs();
    const { expertUsedCount: used } = this.#machine.model;
    const { firstSlot } = this.#machine.pool.classOfLayer(layer);
    const graph = this.#graphOf(layer);
    let count = 0;
    let rows = 0;
    const flush = () => {
      if (count > 0) graph.compute(count);
      rows += count;
      count = 0;
    };
    for (const one of ready) {
      const slot = this.#stream.slotOf(this.#keyOf(layer, one.expert)) - firstSlot;
      for (const row of one.rows) {
        if (count === graph.rowsMax) flush();
        graph.tokens[count] = Math.floor(row / used);
        graph.slots[count] = slot;
        graph.places[count] = BigInt(row);
        count++;
      }
    }
    flush();
    if (rows > 0) {
      this.onWave?.(startMs, this.#nowMs(), { layer, experts: ready.length, rows });
    }
  }

  #graphOf(layer: number): WaveGraph {
    const { index } = this.#machine.pool.classOfLayer(layer);
    let graph = this.#graphs[index];
    if (!graph) {
      const rows = this.#memory.tokenCount * this.#machine.model.expertUsedCount;
      graph = new WaveGraph(this.#machine, this.#memory, index, Math.min(rows, WAVE_ROWS_MAX));
      this.#graphs[index] = graph;
    }
    return graph;
  }

  #keyOf(layer: number, expert: number): number {
    return layer * this.#machine.model.expertCount + expert;
  }
}
