import type { Tensor } from "@fmlab/ggml";
import type { Routing } from "../offload/routing.ts";
import { ExpertGraphs } from "./expert-graphs.ts";
import type { ExpertSource, LayerHook } from "./interfaces.ts";
import type { Attended, Routed } from "./layer-graph.ts";
import { type Machine, routingOf, showRows, type TokenGraphs } from "./machine.ts";
import { requestSlots } from "./request-slots.ts";
import { type Stage, StageBuilder } from "./stage-builder.ts";

/** One layer with routed experts. */
interface MoeLayer {
  readonly attention: Stage;
  readonly experts: ExpertGraphs;
  readonly routing: Routing;
}

/** One layer without: attention and a dense feed-forward network. */
interface DenseLayer {
  readonly attention: Stage;
  readonly experts: undefined;
}

/**
 * One token as several graphs per layer: after the router's the chosen experts are visible here,
 * are brought by the source, and are computed from their slots, those that are there first if the
 * source wishes so. Graphs are built once; results are the same to the bit whatever came first.
 */
export class SplitGraphs implements TokenGraphs {
  /** Told when a phase begins. */
  onLayer: LayerHook | undefined;
  readonly #machine: Machine;
  readonly #source: ExpertSource;
  readonly #builder: StageBuilder;
  readonly #layers: (MoeLayer | DenseLayer)[] = [];
  readonly #head: Stage;
  readonly #logits: Float32Array;
  readonly #slots: Int32Array;
  #token = 0;

  constructor(machine: Machine, source: ExpertSource) {
    this.#machine = machine;
    this.#source = source;
    this.#slots = new Int32Array(machine.model.expertUsedCount);
    this.#builder = new StageBuilder(machine);
    try {
      for (let layer = 0; layer < machine.model.layerCount; layer++) {
        this.#layers.push(this.#build(layer));
      }
      let logits: Tensor | undefined;
      this.#head = this.#builder.stage(0, (graph, arena) => {
        logits = graph.head(arena.alias(machine.context.hidden));
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
    showRows(this.#builder.windows, position + 1);
    for (let layer = 0; layer < this.#layers.length; layer++) {
      const one = this.#layers[layer];
      if (!one) continue;
      onLayer?.("attention", layer);
      one.attention.plan.compute();
      if (!one.experts) continue;
      onLayer?.("request", layer);
      one.routing.token = this.#token;
      one.routing.position = position;
      requestSlots(this.#source, one.routing, this.#slots, this.#machine);
      this.#source.lookAhead?.();
      this.#compute(one.experts, layer);
      this.#source.release();
    }
    onLayer?.("head", this.#layers.length);
    this.#head.plan.compute();
    onLayer?.("idle", this.#layers.length);
    this.#token++;
    return this.#logits;
  }

  routing(layer: number): Routing | undefined {
    const one = this.#layers[layer];
    return one?.experts ? one.routing : undefined;
  }

  close(): void {
    this.#builder.close();
  }

  /** Experts that are there, then those that arrive, in the order in which they were asked for. */
  #compute(experts: ExpertGraphs, layer: number): void {
    const source = this.#source;
    const count = this.#slots.length;
    let ready = 0;
    for (let i = 0; i < count; i++) if (source.isReady(i)) ready++;
    if (ready < count && source.readyFirst !== true) {
      this.onLayer?.("wait", layer);
      for (let i = 0; i < count; i++) source.waitFor(i);
      ready = count;
    }
    this.onLayer?.("experts", layer);
    if (ready === count && experts.computeAll(this.#slots)) return;
    experts.begin();
    let waiting = count;
    for (let i = 0; waiting > 0; ) {
      const computed = experts.computeReady(this.#slots, source);
      waiting -= computed;
      if (computed > 0 || waiting === 0) continue;
      while (experts.isComputed(i)) i++;
      this.onLayer?.("wait", layer);
      source.waitFor(i);
      this.onLayer?.("experts", layer);
    }
    experts.finish();
  }

  #build(layer: number): MoeLayer | DenseLayer {
    const { model, context } = this.#machine;
    let attended: Attended | undefined;
    let routed: Routed | undefined;
    const attention = this.#builder.stage(1, (graph, arena) => {
      const x = layer === 0 ? graph.embed() : arena.alias(context.hidden);
      attended = graph.attention(layer, x);
      if (graph.isDense(layer)) {
        const output = graph.dense(layer, attended);
        arena.placeInto(output, context.hidden);
        arena.graph.expand(output);
        return;
      }
      routed = graph.route(layer, attended.normed, this.#machine.aheadDepth);
      for (const needed of [routed.weights, routed.sharedGate, ...routed.ahead]) {
        if (needed) arena.graph.expand(needed);
      }
    });
    if (!attended || !routed) return { attention, experts: undefined };
    const experts = new ExpertGraphs(this.#machine, this.#builder, layer, attended, routed);
    const routing = routingOf(layer, routed, model.expertUsedCount);
    return { attention, experts, routing };
  }
}
