import { Arena, ops, type Plan, RowWindow, type Tensor } from "@fmlab/ggml";
import { type ExpertTensors, LayerGraph } from "./layer-graph.ts";
import { type Machine, nodeCountMax, showRows, type TokenGraphs } from "./machine.ts";
import type { NativeSlotPool } from "./slot-pool.ts";

/**
 * One token as one graph, for experts that are all resident in natural order: expert `e` of layer
 * `l` in slot `l * expertCount + e`. Nothing returns to JavaScript between layers, which saves 5 to
 * 8 % of the time against {@link SplitGraphs} at one thread (prototype, 2 cores).
 */
export class WholeGraph implements TokenGraphs {
  readonly #arena: Arena;
  readonly #plan: Plan;
  readonly #windows: readonly RowWindow[];
  readonly #logits: Float32Array;
  readonly #chosen: readonly Int32Array[];

  constructor(machine: Machine) {
    const { device, backend, model, weights, context, pool } = machine;
    const size = nodeCountMax(model, model.layerCount);
    const arena = new Arena(device.library, { tensorCountMax: size, graphNodeCountMax: size });
    this.#arena = arena;
    try {
      const visible = context.contextLength;
      const graph = new LayerGraph(arena, model, weights, context, { tokenCount: 1, visible });
      const sorted: Tensor[] = [];
      let x = graph.embed();
      for (let layer = 0; layer < model.layerCount; layer++) {
        const attended = graph.attention(layer, x);
        const routed = graph.route(layer, attended.normed);
        sorted.push(routed.sorted);
        const experts = layerSlots(arena, pool, layer, model.expertCount);
        x = graph.experts(layer, attended, routed, experts, routed.ids);
      }
      const logits = graph.head(x);
      arena.graph.expand(logits);
      arena.allocate(device);
      this.#windows = graph.cacheViews.map((view) => new RowWindow(view));
      this.#plan = backend.plan(arena.graph);
      this.#logits = logits.float32();
      this.#chosen = sorted.map((all) => all.int32().subarray(0, model.expertUsedCount));
    } catch (error) {
      arena.close();
      throw error;
    }
  }

  evaluate(position: number): Float32Array {
    showRows(this.#windows, position + 1);
    this.#plan.compute();
    return this.#logits;
  }

  chosen(layer: number): Int32Array {
    return this.#chosen[layer] ?? new Int32Array(0);
  }

  close(): void {
    this.#plan.close();
    this.#arena.close();
  }
}

/** Views of the pool that show the experts of one layer, in natural order. */
export function layerSlots(
  arena: Arena,
  pool: NativeSlotPool,
  layer: number,
  expertCount: number,
): ExpertTensors {
  const show = (all: Tensor) =>
    ops.view(arena, all, {
      shape: [all.shape[0], all.shape[1], expertCount],
      offsetBytes: layer * expertCount * all.strides[2],
    });
  const { gateUp, down } = pool.tensors;
  return {
    gateUp: "gate" in gateUp ? { gate: show(gateUp.gate), up: show(gateUp.up) } : show(gateUp),
    down: show(down),
  };
}
