import type { SlotClass } from "../engine/interfaces.ts";
import type { ActivationMemory } from "./activation-memory.ts";
import type { BatchMachine } from "./batch-machine.ts";
import type { ExpertStream } from "./expert-stream.ts";
import { WaveGraph } from "./wave-graph.ts";
import { type ExpertWork, type Finish, type KeyOf, WAVE_ROWS_MAX } from "./wave-loop.ts";

/** What waves are computed from. */
export interface WaveParts {
  readonly machine: BatchMachine;
  /** Where inputs of experts are read, and their outputs written in routing order. */
  readonly memory: ActivationMemory;
  readonly stream: ExpertStream;
  readonly keyOf: KeyOf;
}

/** Computes the experts of a layer, wave by wave. */
export interface WaveComputer {
  /** Work begins; every wave until `leave` computes parts of it. */
  enter(work: readonly ExpertWork[]): void;
  /**
   * Begins to compute experts whose slots are ready.
   * @returns what waits for the wave's end; undefined when it has ended
   */
  begin(layer: number, ready: readonly ExpertWork[]): Finish | undefined;
  /** The last wave was begun: outputs go where they belong. */
  leave(): void;
  /** Waits for whatever was begun. */
  synchronize(): void;
  /** Frees the graphs. */
  close(): void;
}

/** Computes waves on the host: rows of several experts as one product by index. */
export class HostWaves implements WaveComputer {
  readonly #parts: WaveParts;
  /** By class of slots. */
  readonly #graphs: (WaveGraph | undefined)[] = [];

  constructor(parts: WaveParts) {
    this.#parts = parts;
  }

  enter(): void {}

  begin(layer: number, ready: readonly ExpertWork[]): undefined {
    const { classes } = this.#parts.machine.pool;
    for (const kind of classes) this.#computeClass(kind, layer, ready);
  }

  leave(): void {}

  synchronize(): void {}

  close(): void {
    for (const graph of this.#graphs) graph?.close();
  }

  /** Computes those experts that lie in slots of a class. */
  #computeClass(kind: SlotClass, layer: number, ready: readonly ExpertWork[]): void {
    const { keyOf, machine, stream } = this.#parts;
    const { expertUsedCount: used } = machine.model;
    let graph: WaveGraph | undefined;
    let count = 0;
    for (const one of ready) {
      const slot = stream.slotOf(keyOf(layer, one.expert)) - kind.firstSlot;
      if (slot < 0 || slot >= kind.slotCount) continue;
      graph ??= this.#graphOf(kind.index);
      for (const row of one.rows) {
        if (count === graph.rowsMax) {
          graph.compute(count);
          count = 0;
        }
        graph.tokens[count] = Math.floor(row / used);
        graph.slots[count] = slot;
        graph.places[count] = BigInt(row);
        count++;
      }
    }
    if (count > 0) graph?.compute(count);
  }

  #graphOf(index: number): WaveGraph {
    let graph = this.#graphs[index];
    if (!graph) {
      const { machine, memory } = this.#parts;
      const rows = memory.tokenCount * machine.model.expertUsedCount;
      graph = new WaveGraph(machine, memory, index, Math.min(rows, WAVE_ROWS_MAX));
      this.#graphs[index] = graph;
    }
    return graph;
  }
}
