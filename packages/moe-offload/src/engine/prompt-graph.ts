import { Arena, GraphAllocator, ops, TENSOR_TYPE, type Tensor } from "@fmlab/ggml";
import type { RoutingHook } from "./interfaces.ts";
import { LayerGraph } from "./layer-graph.ts";
import { type Machine, nodeCountMax } from "./machine.ts";
import { layerSlots } from "./whole-graph.ts";

/** Minus infinity as a half-precision number. */
const F16_MINUS_INFINITY = 0xfc00;

/** Which tokens a batch evaluates, and what is wanted of it. */
export interface PromptBatch {
  readonly tokenCount: number;
  /** Position of the first token of the batch. */
  readonly position: number;
  /** False when only keys and values are wanted, because more of the prompt follows. */
  readonly wantsLogits: boolean;
  readonly onRouting: RoutingHook | undefined;
}

/**
 * Evaluates many tokens as one graph, for experts that are all resident in natural order. The graph
 * is built for each batch, since its shapes depend on length and position.
 */
export class PromptGraph {
  readonly #machine: Machine;
  readonly #allocator: GraphAllocator;
  readonly #logits: Float32Array;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#allocator = new GraphAllocator(machine.device);
    this.#logits = new Float32Array(machine.model.vocabularySize);
  }

  /**
   * Evaluates a batch whose inputs are entered in the context memory.
   * @returns logits of the last token, overwritten by the next call; stale unless `wantsLogits`
   */
  evaluate(batch: PromptBatch): Float32Array {
    const { device, backend, model } = this.#machine;
    const size = nodeCountMax(model, model.layerCount);
    const arena = new Arena(device.library, { tensorCountMax: size, graphNodeCountMax: size });
    try {
      const visible = batch.position + batch.tokenCount;
      const rows = ops.paddedMaskRows(batch.tokenCount);
      const mask = arena.tensor(TENSOR_TYPE.F16, [visible, rows], "mask");
      const { logits, sorted } = this.#build(arena, batch, mask);
      this.#allocator.allocate(arena.graph);
      mask.write(causalMask(batch, visible, rows));
      backend.compute(arena.graph);
      logits?.read(this.#logits);
      if (batch.onRouting) reportRouting(sorted, model.expertUsedCount, batch.onRouting);
    } finally {
      arena.close();
    }
    return this.#logits;
  }

  /** Frees the memory that batches share. */
  close(): void {
    this.#allocator.close();
  }

  #build(
    arena: Arena,
    batch: PromptBatch,
    mask: Tensor,
  ): { logits: Tensor | undefined; sorted: Map<number, Tensor> } {
    const { model, weights, context, pool } = this.#machine;
    const { tokenCount, position, wantsLogits } = batch;
    const inputs = { tokenCount, visible: position + tokenCount, mask };
    const graph = new LayerGraph(arena, model, weights, context, inputs);
    const sorted = new Map<number, Tensor>();
    let x = graph.embed();
    for (let layer = 0; layer < model.layerCount; layer++) {
      const isLast = layer === model.layerCount - 1;
      if (isLast && !wantsLogits) {
        graph.cacheKeysAndValues(layer, x);
        return { logits: undefined, sorted };
      }
      const attended = graph.attention(layer, x, isLast);
      if (graph.isDense(layer)) {
        x = graph.dense(layer, attended);
        continue;
      }
      const routed = graph.route(layer, attended.normed);
      if (batch.onRouting) {
        routed.sorted.markOutput();
        sorted.set(layer, routed.sorted);
      }
      arena.graph.expand(routed.weights);
      const experts = layerSlots(arena, pool, layer);
      x = graph.experts(layer, attended, routed, experts, routed.ids);
    }
    const logits = graph.head(x);
    logits.markOutput();
    arena.graph.expand(logits);
    return { logits, sorted };
  }
}

/**
 * Token `i` of the batch sees everything before it and itself: 0 there, minus infinity elsewhere.
 */
function causalMask(batch: PromptBatch, visible: number, rows: number): Uint16Array {
  const mask = new Uint16Array(visible * rows).fill(F16_MINUS_INFINITY);
  for (let i = 0; i < batch.tokenCount; i++) {
    mask.fill(0, i * visible, i * visible + batch.position + i + 1);
  }
  return mask;
}

function reportRouting(
  sorted: ReadonlyMap<number, Tensor>,
  used: number,
  onRouting: RoutingHook,
): void {
  for (const [layer, tensor] of sorted) {
    const [expertCount, tokens] = tensor.shape;
    const all = tensor.read(new Int32Array(expertCount * tokens));
    const chosen = new Int32Array(used * tokens);
    for (let token = 0; token < tokens; token++) {
      const first = token * expertCount;
      chosen.set(all.subarray(first, first + used), token * used);
    }
    onRouting(layer, chosen);
  }
}
