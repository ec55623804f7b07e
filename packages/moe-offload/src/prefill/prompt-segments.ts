import { Arena, GraphAllocator, type Tensor } from "@fmlab/ggml";
import { LayerGraph } from "../engine/layer-graph.ts";
import { type Machine, nodeCountMax } from "../engine/machine.ts";
import type { TokenSlices } from "./activation-memory.ts";
import type { BuiltSegment, KeptSegments } from "./kept-segments.ts";
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
  /** Tokens of the sequence that are seen: those before the batch and its own. */
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
  readonly #machine: Machine;
  readonly #allocator: GraphAllocator;
  readonly #sorted: { values: Int32Array };
  readonly #logits: Float32Array;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#allocator = new GraphAllocator(machine.device);
    this.#sorted = { values: new Int32Array(0) };
    this.#logits = new Float32Array(machine.model.vocabularySize);
  }

  /** Logits of the batch's last token, after a last segment that wants them; used again. */
  get logits(): Float32Array {
    return this.#logits;
  }

  /**
   * @param kept  graphs of an earlier batch of the same form, used again; new ones are added
   * @throws GgmlError `ALLOCATION_FAILED`
   */
  compute(segment: PromptSegment, kept?: KeptSegments): SegmentResult {
    const { device } = this.#machine;
    const earlier = kept?.get(segment.index);
    if (earlier && this.#allocator.resume(earlier.arena.graph)) return this.#run(earlier);
    const size = nodeCountMax(this.#machine.model, this.#layerCountMax());
    const arena = new Arena(device.library, { tensorCountMax: size, graphNodeCountMax: size });
    let isKept = false;
    try {
      const built = { arena, ...this.#build(arena, segment) };
      this.#allocator.allocate(arena.graph);
      kept?.set(segment.index, built);
      isKept = kept !== undefined;
      return this.#run(built);
    } finally {
      if (!isKept) arena.close();
    }
  }

  /** Frees the memory that batches share. */
  close(): void {
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

  #run({ arena, logits, sorted }: BuiltSegment): SegmentResult {
    this.#machine.backend.compute(arena.graph);
    logits?.read(this.#logits);
    return { chosen: sorted && this.#chosenOf(sorted), isLast: sorted === undefined };
  }

  #chosenOf(sorted: Tensor): Int32Array {
    const [expertCount, tokens] = sorted.shape;
    const { expertUsedCount: used } = this.#machine.model;
    if (this.#sorted.values.length !== expertCount * tokens) {
      this.#sorted.values = new Int32Array(expertCount * tokens);
    }
    const all = sorted.read(this.#sorted.values);
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
