import {
  Arena,
  GgmlLibrary,
  openGguf,
  ops,
  type Plan,
  RowWindow,
  TENSOR_TYPE,
  type Tensor,
} from "@fmlab/ggml";
import type { Prng } from "@fmlab/sim";
import { ContextMemory } from "../../src/engine/context-memory.ts";
import { readHyperParameters } from "../../src/engine/hyper-parameters.ts";
import { EXPERT_PARTS } from "../../src/engine/interfaces.ts";
import { type Attended, LayerGraph, type Routed } from "../../src/engine/layer-graph.ts";
import { type Machine, nodeCountMax, showRows } from "../../src/engine/machine.ts";
import { NativeSlotPool } from "../../src/engine/slot-pool.ts";
import { loadWeights } from "../../src/engine/weights.ts";
import { type ExpertLayout, expertLayout } from "../../src/model/expert-layout.ts";

/** What graphs are built from, on a model file, and a way to load experts. */
export interface GraphMachine extends Machine {
  readonly layout: ExpertLayout;
  load(layer: number, expert: number, slot: number): void;
  loadAll(): void;
  close(): void;
}

/**
 * Opens a model with a pool of `slotCounts` slots by class; all experts fit when left out. Its
 * context is the model's, at most 512 tokens.
 */
export function openMachine(modelPath: string, slotCounts?: readonly number[]): GraphMachine {
  const opened: { close(): void }[] = [];
  const close = () => {
    for (let last = opened.pop(); last; last = opened.pop()) last.close();
  };
  const keep = <T extends { close(): void }>(resource: T): T => {
    opened.push(resource);
    return resource;
  };
  try {
    return { ...makeMachine(modelPath, slotCounts, keep), close };
  } catch (error) {
    close();
    throw error;
  }
}

function makeMachine(
  modelPath: string,
  slotCounts: readonly number[] | undefined,
  keep: <T extends { close(): void }>(resource: T) => T,
): Omit<GraphMachine, "close"> {
  const file = keep(openGguf(modelPath));
  const model = readHyperParameters(file);
  const layout = expertLayout(file, model);
  const device = GgmlLibrary.load().cpu;
  const backend = keep(device.open());
  const weights = loadWeights(file, model, device);
  keep(weights);
  const all = layout.classes.map(({ layers }) => layers.length * model.expertCount);
  const pool = keep(new NativeSlotPool(layout, device, slotCounts ?? all));
  const contextLength = Math.min(model.contextLength, 512);
  const context = keep(new ContextMemory(model, device, contextLength, contextLength));
  const load = (layer: number, expert: number, slot: number) => {
    for (const part of EXPERT_PARTS) {
      const { offset, fileIndex } = layout.range(layer, expert, part);
      file.read(offset, pool.view(slot, part), fileIndex);
    }
  };
  const loadAll = () => {
    for (const layer of layout.moeLayers) {
      for (let expert = 0; expert < model.expertCount; expert++) {
        load(layer, expert, pool.residentSlot(layer, expert));
      }
    }
  };
  return { device, backend, model, weights, context, pool, aheadDepth: 0, layout, load, loadAll };
}

interface Stage {
  readonly arena: Arena;
  readonly plan: Plan;
}

/** The graphs of one layer: up to the router, one for each number of experts, and the sum. */
interface LayerStages {
  readonly before: Stage;
  readonly routed: Routed;
  readonly groups: readonly { stage: Stage; ids: Int32Array; rows: Float32Array }[];
  readonly rows: Float32Array; // [used, width]
  readonly sum: Stage;
}

/**
 * A token at a time with the experts of a layer in random groups, in random order, each loaded into
 * a random slot just before: what `expertRows` and `combine` promise, as plainly as possible.
 */
export class ScatteredDecoder {
  readonly #machine: GraphMachine;
  readonly #prng: Prng;
  readonly #layers: (LayerStages | Stage)[] = [];
  readonly #windows: RowWindow[] = [];
  readonly #head: Stage;
  readonly #logits: Float32Array;
  readonly #width: number;

  constructor(machine: GraphMachine, prng: Prng) {
    this.#machine = machine;
    this.#prng = prng;
    this.#width = machine.model.embeddingLength;
    const { hidden } = machine.context;
    for (let layer = 0; layer < machine.model.layerCount; layer++) {
      this.#layers.push(this.#build(layer));
    }
    let logits: Float32Array = new Float32Array(0);
    this.#head = this.#stage(
      (graph, arena) => graph.head(arena.alias(hidden)),
      (output) => {
        logits = output.float32();
      },
    );
    this.#logits = logits;
  }

  decode(token: number, position: number): Float32Array {
    this.#machine.context.enter([token], 0, 1, position);
    showRows(this.#windows, position + 1);
    this.#layers.forEach((layer, index) => {
      if ("before" in layer) this.#run(layer, index);
      else layer.plan.compute();
    });
    this.#head.plan.compute();
    return this.#logits;
  }

  close(): void {
    for (const layer of this.#layers) {
      const stages =
        "before" in layer
          ? [layer.before, layer.sum, ...layer.groups.map(({ stage }) => stage)]
          : [layer];
      for (const stage of stages) closeStage(stage);
    }
    closeStage(this.#head);
  }

  #run(stages: LayerStages, layer: number): void {
    const { pool, model, load } = this.#machine;
    stages.before.plan.compute();
    const chosen = stages.routed.sorted.int32().subarray(0, model.expertUsedCount);
    const order = this.#prng.shuffle([...chosen.keys()]);
    const { firstSlot, slotCount } = pool.classOfLayer(layer);
    while (order.length > 0) {
      const places = order.splice(0, 1 + this.#prng.nextInt(order.length));
      const { stage, ids, rows } = stages.groups[places.length - 1] as LayerStages["groups"][0];
      const slots = this.#prng.shuffle(Array.from({ length: slotCount }, (_, slot) => slot));
      places.forEach((place, i) => {
        const slot = slots[i] ?? 0;
        load(layer, chosen[place] ?? 0, firstSlot + slot);
        ids[i] = slot;
      });
      stage.plan.compute();
      places.forEach((place, i) => {
        const row = rows.subarray(i * this.#width, (i + 1) * this.#width);
        stages.rows.set(row, place * this.#width);
      });
    }
    stages.sum.plan.compute();
  }

  #build(layer: number): LayerStages | Stage {
    const { context, model, pool } = this.#machine;
    const width = this.#width;
    let attended: Attended | undefined;
    let routed: Routed | undefined;
    const before = this.#stage((graph, arena) => {
      attended = graph.attention(layer, layer === 0 ? graph.embed() : arena.alias(context.hidden));
      if (graph.isDense(layer)) {
        return ops.cpy(arena, graph.dense(layer, attended), arena.alias(context.hidden));
      }
      routed = graph.route(layer, attended.normed);
      if (routed.sharedGate) arena.graph.expand(routed.sharedGate);
      return routed.weights;
    });
    if (!attended || !routed) return before;
    const from: Attended & Routed = { ...attended, ...routed };
    const groups = Array.from({ length: model.expertUsedCount }, (_, index) => {
      const made: { ids: Int32Array; rows: Float32Array } = {
        ids: new Int32Array(0),
        rows: new Float32Array(0),
      };
      const tensors = pool.tensorsOf(pool.classOfLayer(layer).index);
      let slots: Tensor | undefined;
      const stage = this.#stage(
        (graph, arena) => {
          slots = arena.tensor(TENSOR_TYPE.I32, [index + 1, 1], "slots");
          const x = ops.reshape(arena, arena.alias(from.normed), [width, 1, 1]);
          return graph.expertRows(x, slots, tensors);
        },
        (output) => {
          made.rows = output.float32();
          made.ids = slots?.int32() ?? made.ids;
        },
      );
      return { stage, ...made };
    });
    let rows: Float32Array = new Float32Array(0);
    let leaf: Tensor | undefined;
    const sum = this.#stage(
      (graph, arena) => {
        leaf = arena.tensor(TENSOR_TYPE.F32, [width, model.expertUsedCount, 1], "rows");
        const gate = from.sharedGate && arena.alias(from.sharedGate);
        const shared = graph.shared(layer, arena.alias(from.normed), gate);
        const given = { residual: arena.alias(from.residual) };
        const output = graph.combine(layer, given, leaf, arena.alias(from.weights), shared);
        return ops.cpy(arena, output, arena.alias(context.hidden));
      },
      () => {
        rows = leaf?.float32() ?? rows;
      },
    );
    return { before, routed: from, groups, rows, sum };
  }

  #stage(
    build: (graph: LayerGraph, arena: Arena) => Tensor,
    allocated: (output: Tensor) => void = () => {},
  ): Stage {
    const { device, backend, model, weights, context } = this.#machine;
    const size = nodeCountMax(model, 1);
    const arena = new Arena(device.library, { tensorCountMax: size, graphNodeCountMax: size });
    const visible = context.contextLength;
    const graph = new LayerGraph(arena, model, weights, context, { tokenCount: 1, visible });
    const output = build(graph, arena);
    arena.graph.expand(output);
    arena.allocate(device);
    this.#windows.push(...graph.cacheViews.map((view) => new RowWindow(view)));
    allocated(output);
    return { arena, plan: backend.plan(arena.graph) };
  }
}

function closeStage({ plan, arena }: Stage): void {
  plan.close();
  arena.close();
}
