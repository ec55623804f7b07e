import { Arena, StreamEvent, TENSOR_TYPE, type Tensor } from "@fmlab/ggml";
import type { WaveComputer, WaveParts } from "../wave-computer.ts";
import type { ExpertWork, Finish } from "../wave-loop.ts";
import { ExpertProducts } from "./expert-products.ts";
import { gatherRows, type RowMove, scatterRows } from "./row-moves.ts";

/**
 * Computes waves on a card. The inputs of a layer's experts are gathered expert by expert, each
 * expert is multiplied by itself, and the outputs go back to routing order: so the bits depend
 * neither on slots nor on what is computed when. Nothing waits but the end of a wave, for an event.
 */
export class CardWaves implements WaveComputer {
  readonly #parts: WaveParts;
  readonly #arena: Arena;
  readonly #gather: RowMove;
  readonly #scatter: RowMove;
  /** Inputs, then outputs, of the experts of one piece of work, `[width, used * tokens]`. */
  readonly #rows: Tensor;
  /** By class of slots. */
  readonly #products: (ExpertProducts | undefined)[] = [];
  readonly #marks: StreamEvent[] = [];
  readonly #freeMarks: StreamEvent[] = [];
  /** Of the work entered: where the rows of each expert begin. */
  readonly #firstRow = new Map<number, number>();
  /** By row: its number in routing order. */
  readonly #order: Int32Array;
  #rowCount = 0;

  /** @throws GgmlError `ALLOCATION_FAILED` */
  constructor(parts: WaveParts) {
    const { machine, memory } = parts;
    const [width, rowCount] = memory.expertRows.shape;
    this.#parts = parts;
    this.#order = new Int32Array(rowCount);
    this.#arena = new Arena(machine.device.library, { tensorCountMax: 1 });
    try {
      this.#rows = this.#arena.tensor(TENSOR_TYPE.F32, [width, rowCount], "rows by expert");
      this.#arena.allocate(machine.device);
      this.#gather = gatherRows(machine, memory.normed, this.#rows);
      this.#scatter = scatterRows(machine, this.#rows, memory.expertRows);
    } catch (error) {
      this.#arena.close();
      throw error;
    }
  }

  enter(work: readonly ExpertWork[]): void {
    const { expertUsedCount: used } = this.#parts.machine.model;
    this.#rowCount = 0;
    this.#firstRow.clear();
    for (const { expert, rows } of work) {
      this.#firstRow.set(expert, this.#rowCount);
      this.#order.set(rows, this.#rowCount);
      this.#rowCount += rows.length;
    }
    this.#gather.begin(0, this.#rowCount, (row) => Math.floor((this.#order[row] ?? 0) / used));
  }

  begin(layer: number, ready: readonly ExpertWork[]): Finish {
    const { keyOf, machine, stream } = this.#parts;
    for (const { expert, rows } of ready) {
      if (rows.length === 0) continue;
      const slot = stream.slotOf(keyOf(layer, expert));
      const { index } = machine.pool.classOfSlot(slot);
      this.#productsOf(index).begin(slot, this.#firstRow.get(expert) ?? 0, rows.length);
    }
    const mark = this.#freeMarks.pop() ?? this.#newMark();
    mark.record(machine.backend);
    return () => {
      mark.wait();
      this.#freeMarks.push(mark);
    };
  }

  leave(): void {
    this.#scatter.begin(0, this.#rowCount, (row) => this.#order[row] ?? 0);
  }

  synchronize(): void {
    this.#parts.machine.backend.synchronize();
  }

  close(): void {
    this.synchronize();
    for (const mark of this.#marks) mark.close();
    for (const products of this.#products) products?.close();
    this.#gather.close();
    this.#scatter.close();
    this.#arena.close();
  }

  #newMark(): StreamEvent {
    const mark = new StreamEvent(this.#parts.machine.device);
    this.#marks.push(mark);
    return mark;
  }

  #productsOf(index: number): ExpertProducts {
    let products = this.#products[index];
    if (!products) {
      const { machine } = this.#parts;
      const kind = machine.pool.classes[index];
      if (!kind) throw new RangeError(`the pool has no class ${index} of experts`);
      products = new ExpertProducts(machine, kind, this.#rows);
      this.#products[index] = products;
    }
    return products;
  }
}
