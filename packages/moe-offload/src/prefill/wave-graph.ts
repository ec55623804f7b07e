import { Arena, ops, type Plan, TENSOR_TYPE, type Tensor } from "@fmlab/ggml";
import { LayerGraph } from "../engine/layer-graph.ts";
import { nodeCountMax } from "../engine/machine.ts";
import type { ActivationMemory } from "./activation-memory.ts";
import type { BatchMachine } from "./batch-machine.ts";
import { RowCount } from "./row-count.ts";

/**
 * Computes some experts on the tokens that chose them: gathers the tokens' states, multiplies each
 * row with its expert, and puts each product in its own row of the expert outputs. Built once for
 * one class of slots; every call takes as many rows as there are. Since ggml multiplies each row by
 * itself here, the bits do not depend on which rows are computed together.
 */
export class WaveGraph {
  /** Rows one call can compute. */
  readonly rowsMax: number;
  /** By row: its token, its slot numbered within the class, and where its product goes. */
  readonly tokens: Int32Array;
  readonly slots: Int32Array;
  readonly places: BigInt64Array;
  readonly #arena: Arena;
  readonly #plan: Plan;
  readonly #rowCount: RowCount;

  constructor(
    machine: BatchMachine,
    memory: ActivationMemory,
    classIndex: number,
    rowsMax: number,
  ) {
    const { backend, context, device, model, pool, weights } = machine;
    const size = nodeCountMax(model, 1);
    const arena = new Arena(device.library, { tensorCountMax: size, graphNodeCountMax: size });
    this.rowsMax = rowsMax;
    this.#arena = arena;
    try {
      const tokens = arena.tensor(TENSOR_TYPE.I32, [rowsMax], "wave tokens");
      const slots = arena.tensor(TENSOR_TYPE.I32, [1, rowsMax], "wave slots");
      const places = arena.tensor(TENSOR_TYPE.I64, [rowsMax], "wave places");
      const graph = new LayerGraph(arena, model, weights, context, { tokenCount: 1, visible: 1 });
      const width = model.embeddingLength;
      const gathered = ops.getRows(arena, arena.alias(memory.normed), tokens); // [width, rows]
      const x = ops.reshape(arena, gathered, [width, 1, rowsMax]);
      const products = graph.expertRows(x, slots, pool.tensorsOf(classIndex)); // [width, 1, rows]
      const rows = ops.reshape(arena, products, [width, rowsMax]);
      arena.graph.expand(ops.setRows(arena, arena.alias(memory.expertRows), rows, places));
      arena.allocate(device);
      this.tokens = tokens.int32();
      this.slots = slots.int32();
      this.places = places.int64();
      this.tokens.fill(0);
      this.slots.fill(0);
      this.places.fill(0n);
      this.#plan = backend.plan(arena.graph);
      const indices: Tensor[] = [tokens, slots, places];
      this.#rowCount = new RowCount(arena.graph.tensors, indices, rowsMax);
    } catch (error) {
      arena.close();
      throw error;
    }
  }

  /** Computes the first `rows` rows that are entered. */
  compute(rows: number): void {
    this.#rowCount.set(rows);
    this.#plan.compute();
  }

  /** Frees the graph. */
  close(): void {
    this.#plan.close();
    this.#arena.close();
  }
}
