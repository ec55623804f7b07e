import { Arena, type Plan, RowWindow, type Tensor } from "@fmlab/ggml";
import { EngineError } from "./errors.ts";
import type { ExpertSource, LayerHook } from "./interfaces.ts";
import { type Attended, LayerGraph, type Routed } from "./layer-graph.ts";
import { type Machine, nodeCountMax, showRows, type TokenGraphs } from "./machine.ts";

/** One built graph with its arena. */
interface Stage {
  readonly arena: Arena;
  readonly plan: Plan;
}

/** The graphs of one layer and what passes between them. */
interface LayerStages {
  readonly attention: Stage;
  readonly experts: Stage;
  readonly chosen: Int32Array;
}

/**
 * One token as two graphs per layer: between them the experts the router chose are visible here,
 * are made resident by the source, and are named by their slots. All graphs are built once.
 */
export class SplitGraphs implements TokenGraphs {
  /** Told when a phase begins. */
  onLayer: LayerHook | undefined;
  readonly #machine: Machine;
  readonly #source: ExpertSource;
  readonly #layers: LayerStages[] = [];
  readonly #windows: RowWindow[] = [];
  readonly #stages: Stage[] = [];
  readonly #head: Stage;
  readonly #logits: Float32Array;

  constructor(machine: Machine, source: ExpertSource) {
    this.#machine = machine;
    this.#source = source;
    try {
      let x: Tensor | undefined;
      for (let layer = 0; layer < machine.model.layerCount; layer++) x = this.#build(layer, x);
      let logits: Tensor | undefined;
      this.#head = this.#stage(0, (graph, arena) => {
        logits = graph.head(x ? arena.alias(x) : graph.embed());
        arena.graph.expand(logits);
      });
      this.#logits = logits?.float32() ?? new Float32Array(0);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  evaluate(position: number): Float32Array {
    const { onLayer } = this;
    showRows(this.#windows, position + 1);
    for (let layer = 0; layer < this.#layers.length; layer++) {
      const stages = this.#layers[layer];
      if (!stages) continue;
      onLayer?.("attention", layer);
      stages.attention.plan.compute();
      onLayer?.("acquire", layer);
      this.#acquire(layer, stages.chosen);
      onLayer?.("experts", layer);
      stages.experts.plan.compute();
    }
    onLayer?.("head", this.#layers.length);
    this.#head.plan.compute();
    onLayer?.("idle", this.#layers.length);
    return this.#logits;
  }

  chosen(layer: number): Int32Array {
    return this.#layers[layer]?.chosen ?? new Int32Array(0);
  }

  close(): void {
    for (const { plan, arena } of this.#stages) {
      plan.close();
      arena.close();
    }
  }

  #acquire(layer: number, chosen: Int32Array): void {
    const { model, context, pool } = this.#machine;
    if (!areDistinct(chosen, model.expertCount)) {
      throw new EngineError(
        `layer ${layer} chose the experts [${chosen.join(", ")}] of ${model.expertCount}; ` +
          "the weights of this model are damaged or give numbers that are not finite",
        { code: "BAD_ROUTING", layer, experts: [...chosen], expertCount: model.expertCount },
      );
    }
    const slots = context.slotsView;
    this.#source.acquire(layer, chosen, slots);
    if (!areDistinct(slots, pool.slotCount)) {
      throw new EngineError(
        `the source of experts named the slots [${slots.join(", ")}] for layer ${layer}; ` +
          `expected different slots from 0 to ${pool.slotCount - 1}`,
        { code: "BAD_SLOTS", layer, slots: [...slots], slotCount: pool.slotCount },
      );
    }
  }

  #build(layer: number, input: Tensor | undefined): Tensor {
    const { model, context, pool } = this.#machine;
    let attended: Attended | undefined;
    let routed: Routed | undefined;
    const attention = this.#stage(1, (graph, arena) => {
      attended = graph.attention(layer, input ? arena.alias(input) : graph.embed());
      routed = graph.route(layer, attended.normed);
      arena.graph.expand(routed.weights);
      arena.graph.expand(routed.sharedGate);
    });
    if (!attended || !routed) throw new Error("the attention stage was built");
    const from: Attended & Routed = { ...attended, ...routed };
    let output: Tensor | undefined;
    const experts = this.#stage(1, (graph, arena) => {
      const given = {
        residual: arena.alias(from.residual),
        normed: arena.alias(from.normed),
        weights: arena.alias(from.weights),
        sharedGate: arena.alias(from.sharedGate),
      };
      output = graph.experts(layer, given, given, pool.tensors, context.slots);
      arena.graph.expand(output);
    });
    if (!output) throw new Error("the expert stage was built");
    const chosen = from.sorted.int32().subarray(0, model.expertUsedCount);
    this.#layers.push({ attention, experts, chosen });
    return output;
  }

  #stage(layers: number, build: (graph: LayerGraph, arena: Arena) => void): Stage {
    const { device, backend, model, weights, context } = this.#machine;
    const size = nodeCountMax(model, layers);
    const arena = new Arena(device.library, { tensorCountMax: size, graphNodeCountMax: size });
    try {
      const visible = context.contextLength;
      const graph = new LayerGraph(arena, model, weights, context, { tokenCount: 1, visible });
      build(graph, arena);
      arena.allocate(device);
      this.#windows.push(...graph.cacheViews.map((view) => new RowWindow(view)));
      const stage = { arena, plan: backend.plan(arena.graph) };
      this.#stages.push(stage);
      return stage;
    } catch (error) {
      arena.close();
      throw error;
    }
  }
}

/** True when all numbers are in `0..limit-1` and no two are equal. Lists are short (top-k). */
function areDistinct(numbers: Int32Array, limit: number): boolean {
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i] ?? -1;
    if (number < 0 || number >= limit) return false;
    for (let j = 0; j < i; j++) if (numbers[j] === number) return false;
  }
  return true;
}
