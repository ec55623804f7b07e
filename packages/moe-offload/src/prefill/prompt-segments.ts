import { Arena, GraphAllocator, type Tensor } from "@fmlab/ggml";
import { LayerGraph } from "../engine/layer-graph.ts";
import { nodeCountMax } from "../engine/machine.ts";
import type { TokenSlices } from "./activation-memory.ts";
import type { BatchMachine } from "./batch-machine.ts";
import type { BuiltSegment, KeptSegments } from "./kept-segments.ts";
import { openReadback, type Readback } from "./readback.ts";
import {
  buildCacheSegment,
  buildLastSegment,
  buildSegment,
  isCacheSegment,
  type SegmentParts,
  segmentCount,
} from "./segments.ts";

/** One segment of a batch of tokens of one sequence. */
export interface PromptSegment {
  readonly index: number;
  readonly tokenCount: number;
  /** Tokens of the cache that are read to see those before the batch and its own. */
  readonly visible: number;
  readonly mask: Tensor; // [visible, padded tokens] F16
  readonly before: TokenSlices | undefined;
  readonly after: TokenSlices | undefined;
  readonly wantsLogits: boolean;
}

/** What a segment computes besides what it leaves in the activation memory. */
export interface SegmentResult {
  /**
   * The experts chosen, `[tokens * used]`, by falling weight for each token; undefined after the
   * last segment and where a batch without logits ends.
   */
  readonly chosen: Int32Array | undefined;
  /** True when nothing of the batch is left to compute. */
  readonly isLast: boolean;
}

/**
 * Computes the segments of batches of many tokens (see `segments.ts`): the graphs of the prompt,
 * cut at the experts. Their shapes depend on length and position, so that they are built for each
 * batch, unless the caller keeps those of a batch for others of the same form.
 * The tokens of the batch are entered in the machine's context memory.
 */
export class PromptSegments {
  readonly #machine: BatchMachine;
  readonly #allocator: GraphAllocator;
  readonly #readback: Readback;
  readonly #logits: Float32Array;

  /** @throws GgmlError `ALLOCATION_FAILED` */
  constructor(machine: BatchMachine) {
    const { context, device, model } = machine;
    this.#machine = machine;
    this.#allocator = new GraphAllocator(device);
    const largest = Math.max(model.vocabularySize, model.expertCount * context.batchTokens);
    this.#readback = openReadback(device, 4 * largest);
    this.#logits = new Float32Array(model.vocabularySize);
  }

  /** Logits of the batch's last token, after a last segment that wants them; used again. */
  get logits(): Float32Array {
    return this.#logits;
  }

  /**
   * @param kept     graphs of an earlier batch of the same form, used again; new ones are added
   * @param onBegun  called when the segment was begun, before what it computes is waited for
   * @throws GgmlError `ALLOCATION_FAILED`
   */
  compute(segment: PromptSegment, kept?: KeptSegments, onBegun?: () => void): SegmentResult {
    const { device } = this.#machine;
    const earlier = kept?.get(segment.index);
    if (earlier && this.#allocator.resume(earlier.arena.graph)) return this.#run(earlier, onBegun);
    const size = nodeCountMax(this.#machine.model, this.#layerCountMax());
    const arena = new Arena(device.library, { tensorCountMax: size, graphNodeCountMax: size });
    let isKept = false;
    try {
      const built = { arena, ...this.#build(arena, segment) };
      this.#allocator.allocate(arena.graph);
      kept?.set(segment.index, built);
      isKept = kept !== undefined;
      return this.#run(built, onBegun);
    } finally {
      if (!isKept) arena.close();
    }
  }

  /** Frees the memory that batches share. */
  close(): void {
    this.#readback.close();
    this.#allocator.close();
  }

  #build(arena: Arena, segment: PromptSegment): Pick<BuiltSegment, "logits" | "sorted"> {
    const { context, model, weights } = this.#machine;
    const { after, before, index, mask, tokenCount, visible, wantsLogits } = segment;
    const inputs = { tokenCount, visible, mask: arena.alias(mask) };
    const graph = new LayerGraph(arena, model, weights, context, inputs);
    const parts: SegmentParts = {
      arena,
      graph,
      model,
      attention: (layer, x, lastOnly) => graph.attention(layer, x, lastOnly),
      before,
      after,
      lastOnly: wantsLogits,
    };
    if (!wantsLogits && isCacheSegment(model, index)) {
      buildCacheSegment(parts, index);
      return { logits: undefined, sorted: undefined };
    }
    return index === segmentCount(model) - 1
      ? { logits: buildLastSegment(parts), sorted: undefined }
      : { logits: undefined, sorted: buildSegment(parts, index) };
  }

  #run({ arena, logits, sorted }: BuiltSegment, onBegun: (() => void) | undefined): SegmentResult {
    const { backend } = this.#machine;
    backend.begin(arena.graph);
    const result = logits ?? sorted;
    if (result) this.#readback.begin(backend, result);
    onBegun?.();
    if (!result) {
      backend.synchronize();
      return { chosen: undefined, isLast: true };
    }
    const { buffer, byteOffset } = this.#readback.wait();
    if (logits) this.#logits.set(new Float32Array(buffer, byteOffset, this.#logits.length));
    return {
      chosen: sorted && this.#chosenOf(new Int32Array(buffer, byteOffset, sorted.elements), sorted),
      isLast: sorted === undefined,
    };
  }

  #chosenOf(all: Int32Array, sorted: Tensor): Int32Array {
    const [expertCount, tokens] = sorted.shape;
    const { expertUsedCount: used } = this.#machine.model;
    const chosen = new Int32Array(used * tokens);
    for (let token = 0; token < tokens; token++) {
      const first = token * expertCount;
      chosen.set(all.subarray(first, first + used), token * used);
    }
    return chosen;
  }

  /** Layers whose nodes one segment holds at most: those of a sum, dense ones, an attention. */
  #layerCountMax(): number {
    const { layerCount, moeLayers } = this.#machine.model;
    return layerCount - moeLayers.length + 2;
  }
}
