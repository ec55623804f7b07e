import { Arena, ops, type Tensor } from "@fmlab/ggml";
import type { SlotClass } from "../../engine/interfaces.ts";
import type { BatchMachine } from "../batch-machine.ts";
import { MovingTensor } from "./moving-tensor.ts";

/** Rows that one call computes at most. Chosen: larger products are no faster a row. */
const ROWS_MAX = 512;

/**
 * One expert of a class over rows that lie behind each other, on a card: its own products with its
 * own matrices, so that the bits depend on nothing but its rows. (The products by index that a card
 * has for all experts at once split their sums by slots and neighbours.) Built once; slot and rows
 * are set for each call. Outputs take the place of the inputs.
 */
export class ExpertProducts {
  readonly rowsMax: number;
  readonly #machine: BatchMachine;
  readonly #kind: SlotClass;
  readonly #arena: Arena;
  readonly #rowBytes: number;
  /** Matrices, and bytes from one slot to the next. */
  readonly #weights: { readonly moving: MovingTensor; readonly slotBytes: number }[] = [];
  /** Input and output, which move over the rows. */
  readonly #rows: readonly MovingTensor[];
  /** What lies between, in one place. */
  readonly #hidden: readonly MovingTensor[];

  /** @param rows  `[width, rows]` F32: inputs, and then outputs, of all experts of a layer */
  constructor(machine: BatchMachine, kind: SlotClass, rows: Tensor) {
    const { device, pool } = machine;
    const [width, rowCount] = rows.shape;
    this.rowsMax = Math.min(ROWS_MAX, rowCount);
    this.#machine = machine;
    this.#kind = kind;
    this.#rowBytes = rows.strides[1];
    const arena = new Arena(device.library, { tensorCountMax: 24, graphNodeCountMax: 16 });
    this.#arena = arena;
    try {
      const x = arena.alias(ops.view(arena, rows, { shape: [width, this.rowsMax] }));
      const { gateUp, down } = pool.tensorsOf(kind.index);
      const products = [];
      let hidden: Tensor;
      if ("gate" in gateUp) {
        const gate = ops.mulMat(arena, this.#slot(gateUp.gate), x);
        const up = ops.mulMat(arena, this.#slot(gateUp.up), x);
        products.push(gate, up);
        hidden = ops.swigluSplit(arena, gate, up);
      } else {
        const both = ops.mulMat(arena, this.#slot(gateUp), x); // [2 * inner, rows]
        products.push(both);
        hidden = ops.swiglu(arena, both);
      }
      const output = ops.mulMat(arena, this.#slot(down), hidden); // [width, rows]
      arena.placeInto(output, x);
      arena.graph.expand(output);
      arena.allocate(device);
      this.#rows = [x, output].map((tensor) => new MovingTensor(tensor, 1, true));
      this.#hidden = [...products, hidden].map((tensor) => new MovingTensor(tensor, 1, false));
    } catch (error) {
      arena.close();
      throw error;
    }
  }

  /**
   * Begins to compute the expert in a slot on rows.
   * @param slot  numbered over all classes
   */
  begin(slot: number, firstRow: number, rowCount: number): void {
    const local = slot - this.#kind.firstSlot;
    for (const { moving, slotBytes } of this.#weights) moving.moveTo(local * slotBytes);
    for (let done = 0; done < rowCount; done += this.rowsMax) {
      const count = Math.min(this.rowsMax, rowCount - done);
      for (const moving of this.#rows) moving.set(count, (firstRow + done) * this.#rowBytes);
      for (const moving of this.#hidden) moving.set(count);
      this.#machine.backend.begin(this.#arena.graph);
    }
  }

  /** Frees the graph; the card must be done with it. */
  close(): void {
    this.#arena.close();
  }

  /** The matrix of a slot as a leaf that moves from slot to slot. */
  #slot(slab: Tensor): Tensor {
    const [columns, rows] = slab.shape;
    const leaf = this.#arena.alias(ops.view(this.#arena, slab, { shape: [columns, rows] }));
    const slotBytes = slab.strides[2];
    this.#weights.push({ moving: new MovingTensor(leaf, 1, true), slotBytes });
    return leaf;
  }
}
