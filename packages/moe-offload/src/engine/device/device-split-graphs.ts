import {
  type Arena,
  ops,
  StagedTensor,
  StagingMemory,
  StreamEvent,
  type Tensor,
} from "@fmlab/ggml";
import type { Routing } from "../../offload/routing.ts";
import { EngineError } from "../errors.ts";
import type { ExpertSource, LayerHook } from "../interfaces.ts";
import type { Attended, LayerGraph, Routed } from "../layer-graph.ts";
import type { TokenGraphs } from "../machine.ts";
import { requestSlots } from "../request-slots.ts";
import type { DeviceMachine } from "./device-machine.ts";
import { DeviceStages } from "./device-stages.ts";
import { type ChainedGraph, GraphChain } from "./graph-chain.ts";
import { RoutingReadback } from "./routing-readback.ts";
import { SlotInputs } from "./slot-inputs.ts";

/** One layer with experts, and all that leads up to its router. */
interface Segment {
  readonly layer: number;
  /** The experts of the layer before, what is between, attention and router. */
  readonly main: ChainedGraph;
  readonly readback: RoutingReadback;
  /** The shared expert: computed while the host decides on the others. */
  readonly shared: ChainedGraph | undefined;
}

/** What a segment leaves to the next. */
interface Passed {
  readonly layer: number;
  readonly attended: Attended;
  readonly routed: Routed;
  readonly shared: Tensor | undefined;
}

/**
 * One token on a card as one graph a layer: experts of the layer before, attention, router. What
 * the router says is copied back once a layer; while the shared expert computes the source decides,
 * and the next graph begins as soon as the chosen experts are there. Nothing waits for the whole
 * card. Experts are released when the graph that used them has ended.
 */
export class DeviceSplitGraphs implements TokenGraphs {
  /** Told when a phase begins. */
  onLayer: LayerHook | undefined;
  readonly #machine: DeviceMachine;
  readonly #source: ExpertSource;
  readonly #stages: DeviceStages;
  readonly #chain: GraphChain;
  readonly #segments: Segment[] = [];
  readonly #slotInputs: SlotInputs;
  readonly #head: ChainedGraph;
  readonly #logits: StagedTensor;
  readonly #logitsMemory: StagingMemory;
  readonly #routed: StreamEvent;
  readonly #slots: Int32Array;
  #token = 0;

  constructor(machine: DeviceMachine, source: ExpertSource) {
    const { device, model } = machine;
    this.#machine = machine;
    this.#source = source;
    this.#slots = new Int32Array(model.expertUsedCount);
    this.#stages = new DeviceStages(machine);
    this.#chain = new GraphChain(machine);
    this.#slotInputs = new SlotInputs(machine);
    this.#routed = new StreamEvent(device);
    let passed: Passed | undefined;
    for (const layer of model.moeLayers) passed = this.#addSegment(layer, passed);
    let logits: Tensor | undefined;
    const layers = model.layerCount - model.moeLayers.length + 2;
    const head = this.#stages.stage(layers, (graph, arena) => {
      logits = graph.head(this.#arrive(graph, arena, passed, model.layerCount));
      arena.graph.expand(logits);
    });
    this.#head = this.#chain.add(head);
    if (!logits) throw new Error("a model ends with its logits");
    this.#logitsMemory = new StagingMemory(device, StagedTensor.sizeBytes(logits));
    this.#logits = new StagedTensor(logits, this.#logitsMemory, 0);
  }

  evaluate(position: number): Float32Array {
    const { onLayer } = this;
    this.#stages.show(position + 1);
    this.#chain.start();
    let before = -1;
    for (const { layer, main, readback, shared } of this.#segments) {
      onLayer?.("attention", layer);
      this.#begin(main, before);
      readback.download(main.backend);
      this.#routed.record(main.backend);
      if (shared) {
        this.#chain.enter(shared);
        this.#chain.begin(shared);
      }
      this.#routed.wait();
      if (before !== -1) this.#source.release();
      onLayer?.("request", layer);
      readback.routing.token = this.#token;
      readback.routing.position = position;
      this.#request(readback.routing);
      this.#await(layer);
      before = layer;
    }
    onLayer?.("head", this.#machine.model.layerCount);
    this.#begin(this.#head, before);
    this.#logits.download(this.#head.backend);
    this.#routed.record(this.#head.backend);
    this.#routed.wait();
    this.#source.release();
    onLayer?.("idle", this.#machine.model.layerCount);
    this.#token++;
    return this.#logits.values.float32;
  }

  routing(layer: number): Routing | undefined {
    return this.#segments.find((one) => one.layer === layer)?.readback.routing;
  }

  close(): void {
    this.#head.backend.synchronize();
    this.#chain.close();
    this.#stages.close();
    for (const { readback } of this.#segments) readback.close();
    this.#slotInputs.close();
    this.#routed.close();
    this.#logitsMemory.close();
  }

  /** Begins a graph that computes the experts of the layer `before` in the slots they lie in. */
  #begin(next: ChainedGraph, before: number): void {
    this.#chain.enter(next);
    if (before !== -1) this.#slotInputs.enter(before, this.#slots, next.backend);
    this.#chain.begin(next);
  }

  #await(layer: number): void {
    const source = this.#source;
    const count = this.#slots.length;
    let isWaiting = false;
    for (let i = 0; i < count; i++) {
      if (source.isReady(i)) continue;
      if (!isWaiting) this.onLayer?.("wait", layer);
      isWaiting = true;
      source.waitFor(i);
    }
    this.onLayer?.("experts", layer);
  }

  #request(routing: Routing): void {
    const slots = this.#slots;
    requestSlots(this.#source, routing, slots, this.#machine);
    const { firstSlot, slotCount } = this.#machine.pool.classOfLayer(routing.layer);
    if (slots.every((slot) => slot >= firstSlot && slot < firstSlot + slotCount)) return;
    throw new EngineError(
      `experts of layer ${routing.layer} are said to lie in the slots [${slots.join(", ")}], some ` +
        "of them of another kind; on a card all experts of a layer are of one kind",
      { code: "BAD_SLOTS", layer: routing.layer, slots: [...slots], slotCount },
    );
  }

  #addSegment(layer: number, before: Passed | undefined): Passed {
    const machine = this.#machine;
    const made: { passed?: Passed; readback?: RoutingReadback } = {};
    const graph = this.#stages.stage(layer - (before?.layer ?? -1) + 1, (build, arena) => {
      const x = this.#arrive(build, arena, before, layer);
      const attended = build.attention(layer, x);
      const routed = build.route(layer, attended.normed, machine.aheadDepth);
      for (const logits of routed.ahead) arena.graph.expand(logits);
      arena.graph.expand(routed.weights);
      if (routed.sharedGate) arena.graph.expand(routed.sharedGate);
      arena.graph.expand(attended.residual);
      made.readback = new RoutingReadback(machine, arena, layer, routed);
      made.passed = { layer, attended, routed, shared: undefined };
    });
    const { passed, readback } = made;
    if (!passed || !readback) throw new Error("a segment ends with its router");
    let output: Tensor | undefined;
    const shared =
      machine.model.sharedFeedForwardLength > 0
        ? this.#stages.stage(1, (build, arena) => {
            const { sharedGate } = passed.routed;
            const normed = arena.alias(passed.attended.normed);
            output = build.shared(layer, normed, sharedGate && arena.alias(sharedGate));
            if (output) arena.graph.expand(output);
          })
        : undefined;
    const main = this.#chain.add(graph);
    this.#segments.push({ layer, main, readback, shared: shared && this.#chain.add(shared) });
    return { ...passed, shared: output };
  }

  /** The input of `layer`: what the segment before has left, through experts and dense layers. */
  #arrive(graph: LayerGraph, arena: Arena, before: Passed | undefined, layer: number): Tensor {
    let x = before ? this.#experts(graph, arena, before) : graph.embed();
    for (let dense = (before?.layer ?? -1) + 1; dense < layer; dense++) {
      x = graph.dense(dense, graph.attention(dense, x));
    }
    return x;
  }

  #experts(graph: LayerGraph, arena: Arena, { layer, attended, routed, shared }: Passed): Tensor {
    const { model, pool } = this.#machine;
    const { index } = pool.classOfLayer(layer);
    const x = ops.reshape(arena, arena.alias(attended.normed), [model.embeddingLength, 1, 1]);
    const rows = graph.expertRows(x, this.#slotInputs.of(layer), pool.tensorsOf(index));
    const residual = { residual: arena.alias(attended.residual) };
    const weights = arena.alias(routed.weights);
    return graph.combine(layer, residual, rows, weights, shared && arena.alias(shared));
  }
}
