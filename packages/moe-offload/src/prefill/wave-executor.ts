import type { SlotClass } from "../engine/interfaces.ts";
import type { Machine } from "../engine/machine.ts";
import type { ActivationMemory } from "./activation-memory.ts";
import type { SlotStream } from "./slot-stream.ts";
import { WaveGraph } from "./wave-graph.ts";
import {
  type ExpertWork,
  type KeyOf,
  WAVE_ROWS_MAX,
  WaveLoop,
  type WaveOrder,
  type WaveRunner,
} from "./wave-loop.ts";

/** Told of each wave: when it was computed, of which layer, how many experts and rows it had. */
export type OnWave = (
  startMs: number,
  endMs: number,
  wave: { layer: number; experts: number; rows: number },
) => void;

/** Computes the experts of a layer in waves on the slots, into an activation memory. */
export class WaveExecutor implements WaveRunner {
  onWave: OnWave | undefined;
  readonly #machine: Machine;
  readonly #memory: ActivationMemory;
  readonly #stream: SlotStream;
  readonly #loop: WaveLoop;
  readonly #nowMs: () => number;
  readonly #keyOf: KeyOf;
  /** By class of slots. */
  readonly #graphs: (WaveGraph | undefined)[] = [];

  /** @param keyOf  tells experts from their twins; default: all are computed in full */
  constructor(
    machine: Machine,
    memory: ActivationMemory,
    stream: SlotStream,
    nowMs: () => number,
    keyOf?: KeyOf,
  ) {
    this.#machine = machine;
    this.#memory = memory;
    this.#stream = stream;
    this.#nowMs = nowMs;
    const { expertCount } = machine.model;
    this.#keyOf = keyOf ?? ((layer, expert) => layer * expertCount + expert);
    this.#loop = new WaveLoop(stream, this.#keyOf, (layer, ready) => this.#compute(layer, ready));
  }

  run(layer: number, work: readonly ExpertWork[], order: WaveOrder): void {
    this.#loop.run(layer, work, order);
  }

  /** Frees the graphs. */
  close(): void {
    for (const graph of this.#graphs) graph?.close();
  }

  #compute(layer: number, ready: readonly ExpertWork[]): void {
    const startMs = this.#nowMs();
    let rows = 0;
    for (const kind of this.#machine.pool.classes) rows += this.#computeClass(kind, layer, ready);
    if (rows > 0) {
      this.onWave?.(startMs, this.#nowMs(), { layer, experts: ready.length, rows });
    }
  }

  /** Computes those experts that lie in slots of a class; returns how many rows they had. */
  #computeClass(kind: SlotClass, layer: number, ready: readonly ExpertWork[]): number {
    const { expertUsedCount: used } = this.#machine.model;
    let graph: WaveGraph | undefined;
    let count = 0;
    let rows = 0;
    const flush = () => {
      if (count > 0) graph?.compute(count);
      rows += count;
      count = 0;
    };
    for (const one of ready) {
      const slot = this.#stream.slotOf(this.#keyOf(layer, one.expert)) - kind.firstSlot;
      if (slot < 0 || slot >= kind.slotCount) continue;
      graph ??= this.#graphOf(kind.index);
      for (const row of one.rows) {
        if (count === graph.rowsMax) flush();
        graph.tokens[count] = Math.floor(row / used);
        graph.slots[count] = slot;
        graph.places[count] = BigInt(row);
        count++;
      }
    }
    flush();
    return rows;
  }

  #graphOf(index: number): WaveGraph {
    let graph = this.#graphs[index];
    if (!graph) {
      const rows = this.#memory.tokenCount * this.#machine.model.expertUsedCount;
      graph = new WaveGraph(this.#machine, this.#memory, index, Math.min(rows, WAVE_ROWS_MAX));
      this.#graphs[index] = graph;
    }
    return graph;
  }
}
