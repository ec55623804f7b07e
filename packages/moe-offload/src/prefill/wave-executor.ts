import type { Machine } from "../engine/machine.ts";
import type { ActivationMemory } from "./activation-memory.ts";
import type { SlotStream } from "./slot-stream.ts";
import { WaveGraph } from "./wave-graph.ts";
import {
  type ExpertWork,
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
  /** By class of slots. */
  readonly #graphs: (WaveGraph | undefined)[] = [];

  constructor(machine: Machine, memory: ActivationMemory, stream: SlotStream, nowMs: () => number) {
    this.#machine = machine;
    this.#memory = memory;
    this.#stream = stream;
    this.#nowMs = nowMs;
    this.#loop = new WaveLoop(stream, machine.model.expertCount, (layer, ready) =>
      this.#compute(layer, ready),
    );
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
    const { expertCount, expertUsedCount: used } = this.#machine.model;
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
      const slot = this.#stream.slotOf(layer * expertCount + one.expert) - firstSlot;
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
}
