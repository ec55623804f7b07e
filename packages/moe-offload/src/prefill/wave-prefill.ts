import { assert } from "@fmlab/experiment";
import { CausalMask } from "../engine/causal-mask.ts";
import type { RoutingHook } from "../engine/interfaces.ts";
import type { BatchMixture } from "../precision/batch-mixture.ts";
import { GroupPass, type GroupUnit, type OnUnit } from "../throughput/group-pass.ts";
import { SCHEDULES } from "../throughput/schedules.ts";
import { ActivationMemory, type TokenSlices } from "./activation-memory.ts";
import { type BatchMachine, visibleTokens } from "./batch-machine.ts";
import type { ExpertStream } from "./expert-stream.ts";
import { KeptSegments } from "./kept-segments.ts";
import { PromptSegments } from "./prompt-segments.ts";
import { SlotStream } from "./slot-stream.ts";
import { WaveExecutor } from "./wave-executor.ts";
import type { WaveRunner } from "./wave-loop.ts";

/** Which tokens are evaluated, and what is wanted of them. */
export interface WaveBatch {
  readonly tokenCount: number;
  /** Position of the first token of the batch. */
  readonly position: number;
  /** False when only keys and values are wanted, because more of the prompt follows. */
  readonly wantsLogits: boolean;
  readonly onRouting?: RoutingHook | undefined;
}

/** What a prefill in waves may be given besides machine and stream. */
export interface WavePrefillOptions {
  /** The clock that segments and waves are told in, ms: the lane's. */
  readonly nowMs: () => number;
  /** Uses of each expert on earlier text, `[layerCount * expertCount]`; without it all alike. */
  readonly popularity?: Float64Array | undefined;
  /** Decides which experts are computed as their twins; slots and stream must be made for them. */
  readonly mixture?: BatchMixture | undefined;
  /** Says what the tokens of a batch choose in place of the routers; default: they do. */
  readonly replaceRouting?: ReplaceRouting | undefined;
}

/**
 * Overwrites what a router chose.
 * @param chosen  `[tokens, used]`, row-major, of the last tokens of the batch
 */
export type ReplaceRouting = (layer: number, chosen: Int32Array) => void;

/** In which order a batch goes through the layers, and what is loaded when. */
export interface PromptPass {
  onUnit: OnUnit | undefined;
  /** @throws whatever the lane throws */
  run(units: readonly GroupUnit[]): void;
}

/** Makes a pass that computes its experts by `waves`. */
export type MakePass = (waves: WaveRunner) => PromptPass;

/**
 * Evaluates many tokens at once with any number of slots, one at least: in each layer the tokens
 * are grouped by expert, experts are loaded while others compute, and each is given up when it has
 * computed all its rows. While the attention of a layer computes, the experts of the layers after
 * it already load, the popular first. Logits equal those of the prompt graph with all experts
 * resident, to the bit, unless a mixture computes some in low precision.
 */
export class WavePrefill {
  readonly waves: WaveExecutor;
  readonly #machine: BatchMachine;
  readonly #pass: PromptPass;
  readonly #replaceRouting: ReplaceRouting | undefined;
  readonly #memory: ActivationMemory;
  readonly #segments: PromptSegments;
  #form: BatchForm | undefined;

  /**
   * @param makePass  for another stream than our own, and what goes with it
   * @throws GgmlError `ALLOCATION_FAILED`
   */
  constructor(
    machine: BatchMachine,
    stream: ExpertStream,
    options: WavePrefillOptions,
    makePass?: MakePass,
  ) {
    const { context, device, model } = machine;
    const { mixture, nowMs } = options;
    const keyOf = mixture && ((layer: number, expert: number) => mixture.keyOf(layer, expert));
    this.#machine = machine;
    this.#memory = new ActivationMemory(model, device, context.batchTokens);
    this.waves = new WaveExecutor(machine, this.#memory, stream, nowMs, keyOf);
    this.#segments = new PromptSegments(machine);
    this.#replaceRouting = options.replaceRouting;
    this.#pass = makePass?.(this.waves) ?? aggressivePass(machine, stream, options, this.waves);
  }

  /** Told when a segment was computed. */
  set onSegment(listener: OnUnit | undefined) {
    this.#pass.onUnit = listener;
  }

  /**
   * Evaluates a batch whose inputs are entered in the machine's context memory.
   *
   * @returns logits of the last token, overwritten by the next call; stale unless `wantsLogits`
   * @throws EngineError `BAD_ROUTING`, whatever the lane throws
   */
  evaluate(batch: WaveBatch): Float32Array {
    const { model } = this.#machine;
    const { onRouting, position, tokenCount, wantsLogits } = batch;
    const form = this.#formOf(batch);
    // The last layer computes the last token alone, and none where no logits are wanted.
    const tokensAt = (layer: number) =>
      layer === model.layerCount - 1 ? Number(wantsLogits) : tokenCount;
    const slicesAt = (index: number): TokenSlices | undefined => {
      const layer = model.moeLayers[index];
      if (layer === undefined) return undefined;
      return tokensAt(layer) === 1 ? form.last : form.all;
    };
    const compute = (index: number) => {
      const segment = {
        index,
        tokenCount,
        visible: visibleTokens(this.#machine, position + tokenCount),
        mask: form.mask.tensor,
        before: slicesAt(index - 1),
        after: slicesAt(index),
        wantsLogits,
      };
      const { chosen } = this.#segments.compute(segment, form.segments, this.#settle);
      const layer = model.moeLayers[index];
      if (chosen && layer !== undefined) {
        this.#replaceRouting?.(layer, chosen);
        onRouting?.(layer, chosen);
      }
      return chosen;
    };
    try {
      this.#pass.run([{ batch: 0, firstToken: 0, tokensAt, compute }]);
    } catch (error) {
      this.waves.abandon();
      throw error;
    }
    return this.#segments.logits;
  }

  /** Frees graphs and memory. */
  close(): void {
    this.waves.close();
    this.#form?.close();
    this.#segments.close();
    this.#memory.close();
  }

  /** Waves of the layer before end while the next segment, which was begun, waits behind them. */
  readonly #settle = (): void => this.waves.settle();

  /** What the batch shares with others of its form; that of another form is given up. */
  #formOf({ position, tokenCount, wantsLogits }: WaveBatch): BatchForm {
    const name = `${tokenCount} ${position} ${wantsLogits}`;
    if (this.#form?.name === name) return this.#form;
    this.#form?.close();
    const visible = visibleTokens(this.#machine, position + tokenCount);
    const mask = new CausalMask(this.#machine.device, tokenCount, position, visible);
    const all = this.#memory.slices(0, tokenCount);
    const last = this.#memory.slices(0, 1);
    const segments = new KeptSegments();
    const close = () => {
      for (const one of [segments, all, last, mask]) one.close();
    };
    this.#form = { name, mask, all, last, segments, close };
    return this.#form;
  }
}

/** Our own: whatever will probably be needed loads as far ahead as slots allow. */
function aggressivePass(
  { model, pool }: BatchMachine,
  stream: ExpertStream,
  { mixture, nowMs, popularity }: WavePrefillOptions,
  waves: WaveRunner,
): PromptPass {
  assert(stream instanceof SlotStream, "the pass that looks ahead runs over a SlotStream");
  return new GroupPass({
    shape: model,
    schedule: SCHEDULES.aggressive,
    stream,
    waves,
    hotCount: model.expertUsedCount,
    slotsOf: (layer) => pool.classOfLayer(layer).slotCount,
    nowMs,
    mixture,
    popularity,
  });
}

/** What batches of the same length and position use one after the other. */
interface BatchForm {
  readonly name: string;
  readonly mask: CausalMask;
  readonly all: TokenSlices;
  readonly last: TokenSlices;
  readonly segments: KeptSegments;
  close(): void;
}
