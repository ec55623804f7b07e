import { Arena, type Device, GraphAllocator, ops, TENSOR_TYPE, type Tensor } from "@fmlab/ggml";
import { CausalMask } from "./causal-mask.ts";
import type { GraphContext } from "./graph-context.ts";
import type { RoutingHook } from "./interfaces.ts";
import { LayerGraph } from "./layer-graph.ts";
import { type Machine, nodeCountMax } from "./machine.ts";
import { layerSlots } from "./whole-graph.ts";

/** Which tokens a batch evaluates, and what is wanted of it. */
export interface PromptBatch {
  readonly tokenCount: number;
  /** Position of the first token of the batch. */
  readonly position: number;
  /** False when only keys and values are wanted, because more of the prompt follows. */
  readonly wantsLogits: boolean;
  readonly onRouting: RoutingHook | undefined;
}

/** What prompts are evaluated on. */
export interface PromptMachine
  extends Pick<Machine, "device" | "backend" | "model" | "weights" | "pool"> {
  readonly context: GraphContext;
  /** Tokens of the cache that are read to see so many; default: just those. */
  readonly visibleOf?: (tokens: number) => number;
}

/** The graph of a batch, which others of the same form may use again. */
interface Built {
  readonly form: string;
  readonly arena: Arena;
  readonly logits: Tensor | undefined;
  /** What the routers chose, by layer; empty where nobody asks. */
  readonly sorted: ReadonlyMap<number, Tensor>;
  close(): void;
}

/** Memory of a card that the masks of all batches lie in, one after the other. */
class LastingMemory {
  readonly mask: Tensor; // [contextLength, padded batchTokens] F16
  readonly #arena: Arena;

  constructor(device: Device, contextLength: number, batchTokens: number) {
    this.#arena = new Arena(device.library, { tensorCountMax: 1 });
    const shape = [contextLength, ops.paddedMaskRows(batchTokens)];
    try {
      this.mask = this.#arena.tensor(TENSOR_TYPE.F16, shape, "masks");
      this.#arena.allocate(device);
    } catch (error) {
      this.#arena.close();
      throw error;
    }
  }

  close(): void {
    this.#arena.close();
  }
}

/**
 * Evaluates many tokens as one graph, for experts that are all resident in natural order. Its shape
 * depends on length and position, so that it is built anew unless the batch before had the same.
 */
export class PromptGraph {
  readonly #machine: PromptMachine;
  readonly #allocator: GraphAllocator;
  readonly #memory: LastingMemory | undefined;
  readonly #logits: Float32Array;
  #built: Built | undefined;

  constructor(machine: PromptMachine) {
    this.#machine = machine;
    this.#allocator = new GraphAllocator(machine.device);
    this.#logits = new Float32Array(machine.model.vocabularySize);
    try {
      this.#memory = machine.device.isHost ? undefined : this.#takeLongest();
    } catch (error) {
      this.#allocator.close();
      throw error;
    }
  }

  /**
   * Evaluates a batch whose inputs are entered in the context memory.
   * @returns logits of the last token, overwritten by the next call; stale unless `wantsLogits`
   */
  evaluate(batch: PromptBatch): Float32Array {
    const { backend, model } = this.#machine;
    const { arena, logits, sorted } = this.#graphOf(batch);
    backend.compute(arena.graph);
    logits?.read(this.#logits);
    if (batch.onRouting) reportRouting(sorted, model.expertUsedCount, batch.onRouting);
    return this.#logits;
  }

  /** Frees the graph and the memory that batches share. */
  close(): void {
    this.#built?.close();
    this.#allocator.close();
    this.#memory?.close();
  }

  /**
   * Takes what the longest batch needs, so that shorter ones before it give nothing back to a card.
   * A back end of Vulkan goes on binding what earlier graphs were computed with, unused; that is
   * allowed, but Mesa's software driver (22.3) seems to count references in what is freed already.
   */
  #takeLongest(): LastingMemory {
    const { context, device } = this.#machine;
    const [tokenCount] = context.positions.shape;
    const memory = new LastingMemory(device, context.contextLength, tokenCount);
    try {
      const position = context.contextLength - tokenCount;
      const onRouting = () => {};
      this.#makeGraph({ tokenCount, position, wantsLogits: true, onRouting }, memory).close();
      return memory;
    } catch (error) {
      memory.close();
      throw error;
    }
  }

  #graphOf(batch: PromptBatch): Built {
    const { tokenCount, position, wantsLogits, onRouting } = batch;
    const form = `${tokenCount} ${position} ${wantsLogits} ${onRouting !== undefined}`;
    if (this.#built?.form === form) return this.#built;
    this.#built?.close();
    this.#built = undefined;
    this.#built = { form, ...this.#makeGraph(batch, this.#memory) };
    return this.#built;
  }

  #makeGraph(batch: PromptBatch, memory: LastingMemory | undefined): Omit<Built, "form"> {
    const { position, tokenCount } = batch;
    const { device, model } = this.#machine;
    const size = nodeCountMax(model, model.layerCount);
    const arena = new Arena(device.library, { tensorCountMax: size, graphNodeCountMax: size });
    const seen = position + tokenCount;
    const visible = this.#machine.visibleOf?.(seen) ?? seen;
    const mask = new CausalMask(device, tokenCount, position, visible, memory?.mask);
    try {
      const { logits, sorted } = this.#build(arena, batch, visible, arena.alias(mask.tensor));
      this.#allocator.allocate(arena.graph);
      const close = () => {
        arena.close();
        mask.close();
      };
      return { arena, logits, sorted, close };
    } catch (error) {
      arena.close();
      mask.close();
      throw error;
    }
  }

  #build(
    arena: Arena,
    batch: PromptBatch,
    visible: number,
    mask: Tensor,
  ): { logits: Tensor | undefined; sorted: Map<number, Tensor> } {
    const { model, weights, context, pool } = this.#machine;
    const { tokenCount, wantsLogits } = batch;
    const inputs = { tokenCount, visible, mask };
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
