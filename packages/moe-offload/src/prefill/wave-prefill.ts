import { EngineError } from "../engine/errors.ts";
import type { RoutingHook } from "../engine/interfaces.ts";
import type { Machine } from "../engine/machine.ts";
import { ActivationMemory, type TokenSlices } from "./activation-memory.ts";
import { CausalMask } from "./causal-mask.ts";
import { expectedKeys } from "./expected-experts.ts";
import { PromptSegments } from "./prompt-segments.ts";
import { groupRows, rowsOf } from "./row-groups.ts";
import { segmentCount } from "./segments.ts";
import type { SlotStream } from "./slot-stream.ts";
import { type ExpertWork, WaveExecutor } from "./wave-executor.ts";

/** Which tokens are evaluated, and what is wanted of them. */
export interface WaveBatch {
  readonly tokenCount: number;
  /** Position of the first token of the batch. */
  readonly position: number;
  /** False when only keys and values are wanted, because more of the prompt follows. */
  readonly wantsLogits: boolean;
  readonly onRouting?: RoutingHook | undefined;
}

/** Told when a part of a batch was computed; `layer` is -1 for what follows the last experts. */
export type OnSegment = (startMs: number, endMs: number, layer: number) => void;

/** What a prefill in waves may be given besides machine and stream. */
export interface WavePrefillOptions {
  /** The clock that `onSegment` and waves are told in, ms: the lane's. */
  readonly nowMs: () => number;
  /** Uses of each expert on earlier text, `[layerCount * expertCount]`; without it all alike. */
  readonly popularity?: Float64Array | undefined;
}

/**
 * Evaluates many tokens at once with any number of slots, one at least: in each layer the tokens
 * are grouped by expert, experts are loaded while others compute, and each is given up when it has
 * computed all its rows. While the attention of a layer computes, the experts of the layers after
 * it already load, the popular first. Logits equal those of the prompt graph with all experts
 * resident, to the bit.
 */
export class WavePrefill {
  readonly waves: WaveExecutor;
  onSegment: OnSegment | undefined;
  readonly #machine: Machine;
  readonly #stream: SlotStream;
  readonly #options: WavePrefillOptions;
  readonly #memory: ActivationMemory;
  readonly #segments: PromptSegments;
  /** Uses of each expert in this and earlier batches. */
  readonly #uses: Float64Array;

  constructor(machine: Machine, stream: SlotStream, options: WavePrefillOptions) {
    const { context, device, model } = machine;
    this.#machine = machine;
    this.#stream = stream;
    this.#options = options;
    this.#uses = Float64Array.from(
      options.popularity ?? new Float64Array(model.layerCount * model.expertCount),
    );
    const { batchTokens } = context;
    this.#memory = new ActivationMemory(model, device, batchTokens);
    this.waves = new WaveExecutor(machine, this.#memory, stream, options.nowMs);
    this.#segments = new PromptSegments(machine);
  }

  /**
   * Evaluates a batch whose inputs are entered in the machine's context memory.
   *
   * @returns logits of the last token, overwritten by the next call; stale unless `wantsLogits`
   * @throws EngineError `BAD_ROUTING`, whatever the lane throws
   */
  evaluate(batch: WaveBatch): Float32Array {
    const { device, model } = this.#machine;
    const mask = new CausalMask(device, batch.tokenCount, batch.position);
    const all = this.#memory.slices(0, batch.tokenCount);
    const last = this.#memory.slices(0, 1);
    try {
      let before: TokenSlices | undefined;
      for (let index = 0; index < segmentCount(model); index++) {
        const layer = model.moeLayers[index] ?? -1;
        if (layer >= 0) this.#enter(layer, batch);
        const isShort = this.#tokensAt(layer, batch) === 1;
        const after = layer === -1 ? undefined : isShort ? last : all;
        const startMs = this.#options.nowMs();
        const { chosen, isLast } = this.#segments.compute({
          index,
          tokenCount: batch.tokenCount,
          visible: batch.position + batch.tokenCount,
          mask: mask.tensor,
          before,
          after,
          wantsLogits: batch.wantsLogits,
        });
        this.onSegment?.(startMs, this.#options.nowMs(), layer);
        if (chosen) this.#computeExperts(layer, chosen, batch);
        if (isLast) break;
        before = after;
      }
    } finally {
      for (const one of [all, last, mask]) one.close();
    }
    return this.#segments.logits;
  }

  /** Frees graphs and memory. */
  close(): void {
    this.waves.close();
    this.#segments.close();
    this.#memory.close();
  }

  #enter(layer: number, batch: WaveBatch): void {
    const { model } = this.#machine;
    this.#stream.enterLayer(layer);
    const layers = model.moeLayers.filter((next) => next >= layer);
    this.#stream.expect(
      layers.flatMap((next) => expectedKeys(model, this.#uses, next, this.#tokensAt(next, batch))),
    );
  }

  #computeExperts(layer: number, chosen: Int32Array, batch: WaveBatch): void {
    const { model } = this.#machine;
    requireExperts(layer, chosen, model.expertCount);
    batch.onRouting?.(layer, chosen);
    const work = orderWork(chosen, model.expertCount, (expert) =>
      this.#stream.slotOf(layer * model.expertCount + expert) !== -1,
    );
    for (const { expert, rows } of work) {
      const key = layer * model.expertCount + expert;
      this.#stream.need(key, rows.length);
      this.#uses[key] = (this.#uses[key] ?? 0) + rows.length;
    }
    this.#stream.endRouting();
    this.waves.run(layer, work, "arrival");
  }

  /** Tokens that reach the experts of a layer: the last alone in the last layer. */
  #tokensAt(layer: number, batch: WaveBatch): number {
    const isLast = layer === this.#machine.model.layerCount - 1;
    if (!isLast) return batch.tokenCount;
    return batch.wantsLogits ? 1 : 0;
  }
}

/**
 * The experts that rows ask for, with their rows: those in slots first, then by falling number of
 * rows, which is the order in which the missing ones are loaded.
 */
function orderWork(
  chosen: Int32Array,
  expertCount: number,
  isHere: (expert: number) => boolean,
): ExpertWork[] {
  const groups = groupRows(chosen, expertCount);
  const work: (ExpertWork & { isHere: boolean })[] = [];
  for (let expert = 0; expert < expertCount; expert++) {
    const rows = rowsOf(groups, expert);
    if (rows.length > 0) work.push({ expert, rows, isHere: isHere(expert) });
  }
  return work.sort(
    (a, b) =>
      Number(b.isHere) - Number(a.isHere) || b.rows.length - a.rows.length || a.expert - b.expert,
  );
}

/** @throws EngineError `BAD_ROUTING` */
export function requireExperts(layer: number, chosen: Int32Array, expertCount: number): void {
  const wrong = chosen.find((expert) => !(expert >= 0 && expert < expertCount));
  if (wrong === undefined) return;
  throw new EngineError(
    `layer ${layer} chose the expert ${wrong} of ${expertCount}; the weights of this model are ` +
      "damaged or give numbers that are not finite",
    { code: "BAD_ROUTING", layer, experts: [wrong], expertCount },
  );
}
