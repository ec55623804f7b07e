import { Arena, type Plan, type Tensor } from "@fmlab/ggml";
import { LayerGraph } from "../engine/layer-graph.ts";
import { nodeCountMax } from "../engine/machine.ts";
import type { TokenSlices } from "../prefill/activation-memory.ts";
import type { BatchMachine } from "../prefill/batch-machine.ts";
import type { Readback } from "../prefill/readback.ts";
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
  /** On the host; cards take graphs as they are. */
  readonly plan: Plan | undefined;
  /** `[experts, sequences]` I32: what the router chose; of the last one the logits. */
  readonly result: Tensor;
}

/** What all batches of a group build their graphs on. */
export interface DecodeParts {
  readonly machine: BatchMachine;
  /** Brings results to the host; one graph is computed at a time. */
  readonly readback: Readback;
}

/**
 * The graphs of one decode step of one batch, cut at the experts and built once. Batches of a group
 * compute one after the other, so the intermediate results of their graphs share memory.
 */
export class DecodeSegments {
  readonly #parts: DecodeParts;
  readonly #built: BuiltSegment[] = [];
  readonly #chosen: Int32Array;
  /** `[vocabulary, sequences]`, after the last segment. */
  readonly logits: Float32Array;

  /**
   * @param slices  the batch's activations
   * @param model   segments of another batch of the same shape, whose memory is shared
   */
  constructor(
    parts: DecodeParts,
    context: BatchContext,
    slices: TokenSlices,
    model: DecodeSegments | undefined,
  ) {
    const { expertUsedCount, vocabularySize } = parts.machine.model;
    this.#parts = parts;
    this.#chosen = new Int32Array(slices.tokenCount * expertUsedCount);
    this.logits = new Float32Array(slices.tokenCount * vocabularySize);
    try {
      for (let index = 0; index < segmentCount(parts.machine.model); index++) {
        const shared = model === undefined ? undefined : model.#built[index]?.arena;
        this.#built.push(this.#build(index, context, slices, shared));
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Computes a segment.
   * @param onBegun  called when it was begun, before what it computes is waited for
   * @returns the experts chosen, `[sequences * used]`, used again; undefined after the last segment
   */
  compute(index: number, onBegun: () => void): Int32Array | undefined {
    const segment = this.#built[index];
    if (!segment) throw new Error(`there is no segment ${index}`);
    const { machine, readback } = this.#parts;
    if (segment.plan) segment.plan.compute();
    else machine.backend.begin(segment.arena.graph);
    readback.begin(machine.backend, segment.result);
    onBegun();
    const { buffer, byteOffset } = readback.wait();
    if (index === this.#built.length - 1) {
      this.logits.set(new Float32Array(buffer, byteOffset, this.logits.length));
      return undefined;
    }
    const { expertCount, expertUsedCount: used } = machine.model;
    const tokens = this.#chosen.length / used;
    const sorted = new Int32Array(buffer, byteOffset, tokens * expertCount);
    for (let token = 0; token < tokens; token++) {
      const first = token * expertCount;
      this.#chosen.set(sorted.subarray(first, first + used), token * used);
    }
    return this.#chosen;
  }

  /** Frees the graphs; those that share the memory of this one before it. */
  close(): void {
    for (const { plan, arena } of this.#built) {
      plan?.close();
      arena.close();
    }
  }

  #build(
    index: number,
    context: BatchContext,
    slices: TokenSlices,
    model: Arena | undefined,
  ): BuiltSegment {
    const { backend, device, model: parameters, weights } = this.#parts.machine;
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
      const plan = device.isHost ? backend.plan(arena.graph) : undefined;
      return { arena, plan, result };
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
