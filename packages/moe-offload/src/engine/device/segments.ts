import { type Arena, type Graph, ops, type Tensor } from "@fmlab/ggml";
import type { Attended, LayerGraph, Routed } from "../layer-graph.ts";
import type { CpuSums } from "./cpu-sums.ts";
import type { DeviceMachine } from "./device-machine.ts";
import type { DeviceStages } from "./device-stages.ts";
import { type ChainedGraph, GraphChain } from "./graph-chain.ts";
import { RoutingReadback } from "./routing-readback.ts";
import type { SlotInputs } from "./slot-inputs.ts";

/** One layer with experts, and all that leads up to its router. */
export interface Segment {
  readonly layer: number;
  /** The experts of the layer before, what is between, attention and router. */
  readonly main: ChainedGraph;
  readonly readback: RoutingReadback;
  /** The shared expert: computed while the host decides on the others. */
  readonly shared: ChainedGraph | undefined;
  /**
   * The layer's experts by themselves, computed while the CPU computes its share; undefined where
   * it never does: they are then part of the next segment.
   */
  readonly experts: ChainedGraph | undefined;
}

/** What a segment leaves to the next. */
interface Passed {
  readonly layer: number;
  readonly attended: Attended;
  readonly routed: Routed;
  readonly shared: Tensor | undefined;
  /** What the card computes of the layer's output, where the CPU may compute the rest. */
  readonly output: Tensor | undefined;
}

/** What segments are built from. */
export interface SegmentParts {
  readonly machine: DeviceMachine;
  readonly stages: DeviceStages;
  readonly slotInputs: SlotInputs;
  readonly cpuSums: CpuSums | undefined;
}

/** The graphs of one token on a card: a segment for each layer with experts, and the head. */
export class Segments {
  readonly all: readonly Segment[];
  readonly head: ChainedGraph;
  readonly logits: Tensor;
  readonly chain: GraphChain;
  readonly #parts: SegmentParts;

  constructor(parts: SegmentParts) {
    const { machine, stages } = parts;
    const { layerCount, moeLayers } = machine.model;
    this.#parts = parts;
    this.chain = new GraphChain(machine);
    const all: Segment[] = [];
    let passed: Passed | undefined;
    for (const layer of moeLayers) passed = this.#add(all, layer, passed);
    this.all = all;
    let logits: Tensor | undefined;
    const head = stages.stage(layerCount - moeLayers.length + 2, (graph, arena) => {
      logits = graph.head(this.#arrive(graph, arena, passed, layerCount));
      arena.graph.expand(logits);
    });
    if (!logits) throw new Error("a model ends with its logits");
    this.head = this.chain.add(head);
    this.logits = logits;
  }

  /** Frees streams and what is read back; the card must be done with them. */
  close(): void {
    this.chain.close();
    for (const { readback } of this.all) readback.close();
  }

  #add(all: Segment[], layer: number, before: Passed | undefined): Passed {
    const { cpuSums, machine, stages } = this.#parts;
    const made: { passed?: Passed; readback?: RoutingReadback } = {};
    const graph = stages.stage(layer - (before?.layer ?? -1) + 1, (build, arena) => {
      const x = this.#arrive(build, arena, before, layer);
      const attended = build.attention(layer, x);
      const routed = build.route(layer, attended.normed, machine.aheadDepth);
      for (const logits of routed.ahead) arena.graph.expand(logits);
      arena.graph.expand(routed.weights);
      if (routed.sharedGate) arena.graph.expand(routed.sharedGate);
      arena.graph.expand(attended.residual);
      const normed = cpuSums && attended.normed;
      made.readback = new RoutingReadback(machine, arena, layer, routed, normed);
      made.passed = { layer, attended, routed, shared: undefined, output: undefined };
    });
    const { passed, readback } = made;
    if (!passed || !readback) throw new Error("a segment ends with its router");
    const shared = this.#shared(passed);
    const open = { ...passed, shared: shared?.output };
    const experts = cpuSums && this.#ownExperts(open);
    all.push({
      layer,
      main: this.chain.add(graph),
      readback,
      shared: shared && this.chain.add(shared.graph),
      experts: experts && this.chain.add(experts.graph),
    });
    return { ...open, output: experts?.output };
  }

  #shared({ attended, layer, routed }: Passed): { graph: Graph; output: Tensor } | undefined {
    const { machine, stages } = this.#parts;
    if (machine.model.sharedFeedForwardLength === 0) return undefined;
    let output: Tensor | undefined;
    const graph = stages.stage(1, (build, arena) => {
      const { sharedGate } = routed;
      const normed = arena.alias(attended.normed);
      output = build.shared(layer, normed, sharedGate && arena.alias(sharedGate));
      if (output) arena.graph.expand(output);
    });
    return output && { graph, output };
  }

  #ownExperts(passed: Passed): { graph: Graph; output: Tensor } {
    let output: Tensor | undefined;
    const graph = this.#parts.stages.stage(1, (build, arena) => {
      output = this.#experts(build, arena, passed);
      arena.graph.expand(output);
    });
    if (!output) throw new Error("experts have an output");
    return { graph, output };
  }

  /** The input of `layer`: what the segment before has left, through experts and dense layers. */
  #arrive(graph: LayerGraph, arena: Arena, before: Passed | undefined, layer: number): Tensor {
    let x = before ? this.#outputOf(graph, arena, before) : graph.embed();
    for (let dense = (before?.layer ?? -1) + 1; dense < layer; dense++) {
      x = graph.dense(dense, graph.attention(dense, x));
    }
    return x;
  }

  /** The output of a layer with experts: computed here, or by card and CPU before. */
  #outputOf(graph: LayerGraph, arena: Arena, passed: Passed): Tensor {
    const { cpuSums } = this.#parts;
    if (!passed.output || !cpuSums) return this.#experts(graph, arena, passed);
    return ops.add(arena, arena.alias(passed.output), arena.alias(cpuSums.of(passed.layer)));
  }

  #experts(graph: LayerGraph, arena: Arena, { layer, attended, routed, shared }: Passed): Tensor {
    const { machine, slotInputs } = this.#parts;
    const { model, pool } = machine;
    const { index } = pool.classOfLayer(layer);
    const x = ops.reshape(arena, arena.alias(attended.normed), [model.embeddingLength, 1, 1]);
    const rows = graph.expertRows(x, slotInputs.of(layer), pool.tensorsOf(index));
    const residual = { residual: arena.alias(attended.residual) };
    const weights = arena.alias(routed.weights);
    return graph.combine(layer, residual, rows, weights, shared && arena.alias(shared));
  }
}
