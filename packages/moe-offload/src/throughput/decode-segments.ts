import { Arena, type Plan, type Tensor } from "@fmlab/ggml";
import { LayerGraph } from "../engine/layer-graph.ts";
import { type Machine, nodeCountMax } from "../engine/machine.ts";
import type { TokenSlices } from "../prefill/activation-memory.ts";
import {
  buildLastSegment,
  buildSegment,
  type SegmentParts,
  segmentCount,
} from "../prefill/segments.ts";
import type { BatchContext } from "./batch-context.ts";
import { SequenceAttention } from "./sequence-attention.ts";

/** A graph with its arena, and what is read of it. */
interface BuiltSegment {
  readonly arena: Arena;
  readonly plan: Plan;
  /** `[experts, sequences]`: what the router chose; undefined of the last segment. */
  readonly sorted: Int32Array | undefined;
  /** `[vocabulary, sequences]`, of the last segment. */
  readonly logits: Float32Array | undefined;
}

/**
 * The graphs of one decode step of one batch, cut at the experts and built once. Batches of a group
 * compute one after the other, so the intermediate results of their graphs share memory.
 */
export class DecodeSegments {
  readonly #machine: Machine;
  readonly #built: BuiltSegment[] = [];
  readonly #chosen: Int32Array;

  /**
   * @param slices  the batch's activations
   * @param model   segments of another batch of the same shape, whose memory is shared
   */
  constructor(
    machine: Machine,
    context: BatchContext,
    slices: TokenSlices,
    model: DecodeSegments | undefined,
  ) {
    this.#machine = machine;
    this.#chosen = new Int32Array(slices.tokenCount * machine.model.expertUsedCount);
    try {
      for (let index = 0; index < segmentCount(machine.model); index++) {
        const shared = model === undefined ? undefined : model.#built[index]?.arena;
        this.#built.push(this.#build(index, context, slices, shared));
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Logits of the step, `[vocabulary, sequences]`, after the last segment. */
  get logits(): Float32Array {
    return this.#built.at(-1)?.logits ?? new Float32Array(0);
  }

  /**
   * Computes a segment.
   * @returns the experts chosen, `[sequences * used]`, used again; undefined after the last segment
   */
  compute(index: number): Int32Array | undefined {
    const segment = this.#built[index];
    if (!segment) throw new Error(`there is no segment ${index}`);
    segment.plan.compute();
    const { sorted } = segment;
    if (!sorted) return undefined;
    const { expertCount, expertUsedCount: used } = this.#machine.model;
    for (let token = 0; token * used < this.#chosen.length; token++) {
      for (let rank = 0; rank < used; rank++) {
        this.#chosen[token * used + rank] = sorted[token * expertCount + rank] ?? 0;
      }
    }
    return this.#chosen;
  }

  /** Frees the graphs; those that share the memory of this one before it. */
  close(): void {
    for (const { plan, arena } of this.#built) {
      plan.close();
      arena.close();
    }
  }

  #build(
    index: number,
    context: BatchContext,
    slices: TokenSlices,
    model: Arena | undefined,
  ): BuiltSegment {
    const { backend, device, model: parameters, weights } = this.#machine;
    const layers = parameters.layerCount - parameters.moeLayers.length + 2;
    const size = nodeCountMax(parameters, layers);
    const arena = new Arena(device.library, { tensorCountMax: size, graphNodeCountMax: size });
    try {
      const inputs = { tokenCount: context.sequenceCount, visible: 1 };
      const graph = new LayerGraph(arena, parameters, weights, context.memory, inputs);
      const sequences = new SequenceAttention(arena, parameters, weights, context);
      const parts: SegmentParts = {
        arena,
        graph,
        model: parameters,
        attention: (layer, x) => sequences.attention(layer, x),
        before: index === 0 ? undefined : slices,
        after: slices,
        lastOnly: false,
      };
      const isLast = index === segmentCount(parameters) - 1;
      const result = isLast ? buildLastSegment(parts) : buildSegment(parts, index);
      if (model) shareMemory(arena, model);
      arena.allocate(device);
      return {
        arena,
        plan: backend.plan(arena.graph),
        sorted: isLast ? undefined : result.int32(),
        logits: isLast ? result.float32() : undefined,
      };
    } catch (error) {
      arena.close();
      throw error;
    }
  }
}

/** Puts the intermediate results of a graph where those of another of the same form lie. */
function shareMemory(arena: Arena, model: Arena): void {
  const targets: Tensor[] = [...model.graph.tensors];
  [...arena.graph.tensors].forEach((tensor, index) => {
    const target = targets[index];
    const isOwn = tensor.arena === arena && tensor.root === tensor && !tensor.isPlaced;
    if (!isOwn || tensor.operation === "leaf" || !target?.isContiguous) return;
    if (target.type === tensor.type && target.shape.join() === tensor.shape.join()) {
      arena.placeInto(tensor, target);
    }
  });
}
