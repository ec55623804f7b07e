import { type Graph, StagedTensor, StagingMemory, StreamEvent, type Tensor } from "@fmlab/ggml";
import type { Routing } from "../../offload/routing.ts";
import type { TokenGraphs } from "../machine.ts";
import { layerSlots } from "../whole-graph.ts";
import type { DeviceMachine } from "./device-machine.ts";
import { DeviceStages } from "./device-stages.ts";
import { RoutingReadback } from "./routing-readback.ts";

/**
 * One token on a card as one graph, for experts that are all resident in natural order: what the
 * router chooses never leaves the card, and the card can replay the same launches for every token.
 */
export class DeviceWholeGraph implements TokenGraphs {
  readonly #machine: DeviceMachine;
  readonly #stages: DeviceStages;
  readonly #graph: Graph;
  readonly #readbacks = new Map<number, RoutingReadback>();
  readonly #memory: StagingMemory;
  readonly #logits: StagedTensor;
  readonly #done: StreamEvent;
  #isRoutingHere = false;

  constructor(machine: DeviceMachine) {
    const { device, model, pool } = machine;
    this.#machine = machine;
    this.#stages = new DeviceStages(machine);
    this.#done = new StreamEvent(device);
    let logits: Tensor | undefined;
    this.#graph = this.#stages.stage(model.layerCount, (graph, arena) => {
      let x = graph.embed();
      for (let layer = 0; layer < model.layerCount; layer++) {
        const attended = graph.attention(layer, x);
        if (graph.isDense(layer)) {
          x = graph.dense(layer, attended);
          continue;
        }
        const routed = graph.route(layer, attended.normed, machine.aheadDepth);
        for (const ahead of routed.ahead) arena.graph.expand(ahead);
        this.#readbacks.set(layer, new RoutingReadback(machine, arena, layer, routed));
        x = graph.experts(layer, attended, routed, layerSlots(arena, pool, layer), routed.ids);
      }
      logits = graph.head(x);
      arena.graph.expand(logits);
    });
    if (!logits) throw new Error("a model ends with its logits");
    this.#memory = new StagingMemory(device, StagedTensor.sizeBytes(logits));
    this.#logits = new StagedTensor(logits, this.#memory, 0);
  }

  evaluate(position: number): Float32Array {
    const { backend } = this.#machine;
    this.#stages.show(position + 1);
    backend.begin(this.#graph);
    this.#logits.download(backend);
    this.#done.record(backend);
    this.#done.wait();
    this.#isRoutingHere = false;
    return this.#logits.values.float32;
  }

  routing(layer: number): Routing | undefined {
    if (!this.#isRoutingHere) {
      const { backend } = this.#machine;
      for (const readback of this.#readbacks.values()) readback.download(backend);
      this.#done.record(backend);
      this.#done.wait();
      this.#isRoutingHere = true;
    }
    return this.#readbacks.get(layer)?.routing;
  }

  close(): void {
    this.#machine.backend.synchronize();
    this.#stages.close();
    for (const readback of this.#readbacks.values()) readback.close();
    this.#done.close();
    this.#memory.close();
  }
}
