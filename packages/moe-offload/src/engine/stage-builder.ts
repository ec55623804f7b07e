import { Arena, type Plan, RowWindow } from "@fmlab/ggml";
import { LayerGraph } from "./layer-graph.ts";
import { type Machine, nodeCountMax } from "./machine.ts";

/** One built graph with its arena. */
export interface Stage {
  readonly arena: Arena;
  readonly plan: Plan;
}

/** Builds graphs of one token and owns them. */
export class StageBuilder {
  /** The visible parts of the KV cache in all graphs built so far. */
  readonly windows: RowWindow[] = [];
  readonly #machine: Machine;
  readonly #stages: Stage[] = [];

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** @param layers  how many layers' nodes the graph takes at most */
  stage(layers: number, build: (graph: LayerGraph, arena: Arena) => void): Stage {
    const { device, backend, model, weights, context } = this.#machine;
    const size = nodeCountMax(model, layers);
    const arena = new Arena(device.library, { tensorCountMax: size, graphNodeCountMax: size });
    try {
      const visible = context.contextLength;
      const graph = new LayerGraph(arena, model, weights, context, { tokenCount: 1, visible });
      build(graph, arena);
      arena.allocate(device);
      this.windows.push(...graph.cacheViews.map((view) => new RowWindow(view)));
      const stage = { arena, plan: backend.plan(arena.graph) };
      this.#stages.push(stage);
      return stage;
    } catch (error) {
      arena.close();
      throw error;
    }
  }

  close(): void {
    for (const { plan, arena } of this.#stages) {
      plan.close();
      arena.close();
    }
  }
}
