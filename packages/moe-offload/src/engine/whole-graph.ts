import { Arena, ops, type Plan, RowWindow, type Tensor } from "@fmlab/ggml";
import type { Routing } from "../offload/routing.ts";
import { type ExpertTensors, LayerGraph, type Routed } from "./layer-graph.ts";
import { type Machine, nodeCountMax, routingOf, showRows, type TokenGraphs } from "./machine.ts";
import type { NativeSlotPool } from "./slot-pool.ts";

/**
 * One token as one graph, for experts that are all resident in natural order, where
 * `pool.residentSlot` says. Nothing returns to JavaScript between layers, which saves 5 to
 * 8 % of the time against {@link SplitGraphs} at one thread (prototype, 2 cores).
 */
export class WholeGraph implements TokenGraphs {
  readonly #arena: Arena;
  readonly #plan: Plan;
  readonly #windows: readonly RowWindow[];
  readonly #logits: Float32Array;
  readonly #routing: ReadonlyMap<number, Routing>;

  constructor(machine: Machine) {
    const { device, backend, model, weights, context, pool } = machine;
    const size = nodeCountMax(model, model.layerCount);
    const arena = new Arena(device.library, { tensorCountMax: size, graphNodeCountMax: size });
    this.#arena = arena;
    try {
      const visible = context.contextLength;
      const graph = new LayerGraph(arena, model, weights, context, { tokenCount: 1, visible });
      const routers = new Map<number, Routed>();
      let x = graph.embed();
      for (let layer = 0; layer < model.layerCount; layer++) {
        const attended = graph.attention(layer, x);
        if (graph.isDense(layer)) {
          x = graph.dense(layer, attended);
          continue;
        }
        const routed = graph.route(layer, attended.normed, machine.aheadDepth);
        for (const logits of routed.ahead) arena.graph.expand(logits);
        routers.set(layer, routed);
        const experts = layerSlots(arena, pool, layer);
        x = graph.experts(layer, attended, routed, experts, routed.ids);
      }
      const logits = graph.head(x);
      arena.graph.expand(logits);
      arena.allocate(device);
      this.#windows = graph.cacheViews.map((view) => new RowWindow(view));
      this.#plan = backend.plan(arena.graph);
      this.#logits = logits.float32();
      const used = model.expertUsedCount;
      const routing = [...routers].map(
        ([layer, routed]) => [layer, routingOf(layer, routed, used)] as const,
      );
      this.#routing = new Map(routing);
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

  routing(layer: number): Routing | undefined {
    return this.#routing.get(layer);
  }

  close(): void {
    this.#plan.close();
    this.#arena.close();
  }
}

/** Views of the pool that show the experts of one layer, in natural order. */
export function layerSlots(arena: Arena, pool: NativeSlotPool, layer: number): ExpertTensors {
  const { index, firstSlot } = pool.classOfLayer(layer);
  const first = pool.residentSlot(layer, 0) - firstSlot;
  const { expertCount } = pool.layout;
  const show = (all: Tensor) =>
    ops.view(arena, all, {
      shape: [all.shape[0], all.shape[1], expertCount],
      offsetBytes: first * all.strides[2],
    });
  const { gateUp, down } = pool.tensorsOf(index);
  return {
    gateUp: "gate" in gateUp ? { gate: show(gateUp.gate), up: show(gateUp.up) } : show(gateUp),
    down: show(down),
  };
}
