import type { Tensor } from "@fmlab/ggml";
import { CausalMask } from "../engine/causal-mask.ts";
import { requireOption } from "../engine/errors.ts";
import type { TokenSlices } from "../prefill/activation-memory.ts";
import {
  type BatchMachine,
  type SequenceContext,
  visibleTokens,
} from "../prefill/batch-machine.ts";
import { PromptSegments } from "../prefill/prompt-segments.ts";
import type { SlotStream } from "../prefill/slot-stream.ts";
import { WaveExecutor } from "../prefill/wave-executor.ts";
import { argmax } from "../sampling/sampler.ts";
import type { BatchContext } from "./batch-context.ts";
import type { CorrelationTable } from "./correlation-table.ts";
import { batchBytes, GroupBatches, type GroupSizes } from "./group-batches.ts";
import { GroupPass, type GroupUnit } from "./group-pass.ts";
import type { GroupRouting } from "./group-routing.ts";
import type { Schedule } from "./schedules.ts";

/** What a group engine is made of. */
export interface GroupEngineParts extends GroupSizes {
  readonly machine: BatchMachine;
  readonly stream: SlotStream;
  readonly table: CorrelationTable;
  readonly schedule: Schedule;
  /** Batches of a group (n). */
  readonly batchCount: number;
  readonly hotCount: number;
  readonly nowMs: () => number;
  /** Says what tokens choose in place of the model's routers; default: they do. */
  readonly routing?: GroupRouting | undefined;
}

/** Told of the logits of a sequence's newest token, `[vocabulary]`, before they are used again. */
export type OnLogits = (sequence: number, step: number, logits: Float32Array) => void;

/** A sequence's prompt with what its graphs need. */
interface PromptParts {
  readonly prompt: ArrayLike<number>;
  readonly sequence: number;
  readonly mask: Tensor | undefined;
  readonly all: TokenSlices;
  readonly last: TokenSlices;
  readonly onLogits: OnLogits | undefined;
}

/**
 * Generates text for groups of batches: the prompts of all sequences, then one token of each after
 * the other, sharing the loads of experts as the schedule says. Sequences are numbered batch by
 * batch and may have prompts of different lengths. Greedy.
 *
 * For a given shape of batches the logits are the same to the bit for every schedule, budget and
 * link on the CPU. On a card the bits of a product depend on how many rows it has, so that
 * schedules agree whose experts compute the rows of a batch, and those that compute a group's.
 * Prompts are evaluated sequence by sequence; on the CPU their logits are the prompt graph's.
 */
export class GroupEngine {
  readonly pass: GroupPass;
  readonly waves: WaveExecutor;
  readonly #parts: GroupEngineParts;
  readonly #batches: GroupBatches;
  readonly #prompts: PromptSegments;
  /** Where the prompt that is computed has its inputs and its cache. */
  #promptContext: SequenceContext;
  /** By sequence: the token chosen last. */
  readonly #tokens: Int32Array;
  #step = 0;
  /** Numbers of the first sequence of this group, and of the next one, over all groups. */
  #firstSequence = 0;
  #nextSequence = 0;

  /** @throws GgmlError `ALLOCATION_FAILED` */
  constructor(parts: GroupEngineParts) {
    const { batchCount, machine, sequencesPerBatch, stream } = parts;
    const { model, pool } = machine;
    this.#parts = parts;
    this.#tokens = new Int32Array(batchCount * sequencesPerBatch);
    this.#batches = new GroupBatches(machine, parts, batchCount);
    this.#promptContext = machine.context;
    let waves: WaveExecutor | undefined;
    try {
      waves = new WaveExecutor(machine, this.#batches.memory, stream, parts.nowMs);
      this.waves = waves;
      this.#prompts = new PromptSegments(this.#promptMachine());
    } catch (error) {
      waves?.close();
      this.#batches.close();
      throw error;
    }
    this.pass = new GroupPass({
      shape: model,
      schedule: parts.schedule,
      stream,
      waves: this.waves,
      table: parts.table,
      hotCount: parts.hotCount,
      slotsOf: (layer) => pool.classOfLayer(layer).slotCount,
      nowMs: parts.nowMs,
    });
  }

  /** Bytes that one more batch takes: its caches and its activations. */
  static batchBytes(
    parts: GroupSizes & { machine: Pick<BatchMachine, "device" | "model"> },
  ): number {
    return batchBytes(parts.machine, parts);
  }

  /**
   * Evaluates the prompts of all sequences and chooses their first tokens; earlier contexts are
   * forgotten.
   *
   * @param prompts  one for each sequence, 1 to `promptTokensMax` tokens that the model has
   * @returns the chosen tokens by sequence, used again
   * @throws EngineError `BAD_OPTION` for another number of prompts or a length out of range,
   *         `BAD_ROUTING`, whatever the lane throws
   */
  prefill(prompts: readonly ArrayLike<number>[], onLogits?: OnLogits): Int32Array {
    const { machine, promptTokensMax } = this.#parts;
    const { length: sequences } = this.#tokens;
    requireOption("number of prompts", prompts.length, sequences, sequences);
    for (const { length } of prompts) requireOption("prompt length", length, 1, promptTokensMax);
    this.#step = 0;
    this.#firstSequence = this.#nextSequence;
    this.#nextSequence += sequences;
    const masks = new Map<number, CausalMask>();
    const owned: { close(): void }[] = [];
    try {
      for (const { length } of prompts) {
        if (masks.has(length)) continue;
        const mask = new CausalMask(machine.device, length, 0, visibleTokens(machine, length));
        masks.set(length, mask);
        owned.push(mask);
      }
      const units = prompts.map((prompt, sequence) => {
        const firstToken = sequence * this.#batches.promptStride;
        const all = this.#batches.memory.slices(firstToken, prompt.length);
        owned.push(all);
        const last = this.#batches.memory.slices(firstToken, 1);
        owned.push(last);
        const mask = masks.get(prompt.length)?.tensor;
        return this.#promptUnit({ prompt, sequence, mask, all, last, onLogits });
      });
      this.#run(units);
    } finally {
      for (const one of owned) one.close();
    }
    prompts.forEach(({ length }, sequence) => {
      this.#batches.setLength(sequence, length);
    });
    return this.#tokens;
  }

  /**
   * Evaluates the token chosen last of every sequence and chooses the next.
   *
   * @param forced  tokens to go on with in place of those chosen, by sequence
   * @returns the chosen tokens by sequence, used again
   * @throws EngineError `BAD_ROUTING`, whatever the lane throws
   */
  step(onLogits?: OnLogits, forced?: ArrayLike<number>): Int32Array {
    const { machine, sequencesPerBatch: count } = this.#parts;
    const { model } = machine;
    if (forced) this.#tokens.set(forced);
    this.#step++;
    const units = this.#batches.all.map((one, batch): GroupUnit => {
      const { context, firstToken, segments } = one;
      const first = batch * count;
      context.enter(this.#tokens.subarray(first, first + count));
      return {
        batch,
        firstToken,
        tokensAt: () => count,
        compute: (index) => {
          const chosen = segments.compute(index, this.#settle);
          if (chosen) {
            this.#replayStep(index, first, context, chosen);
            return chosen;
          }
          for (let sequence = 0; sequence < count; sequence++) {
            const at = sequence * model.vocabularySize;
            const logits = segments.logits.subarray(at, at + model.vocabularySize);
            this.#choose(first + sequence, logits, onLogits);
          }
          return undefined;
        },
      };
    });
    this.#run(units);
    return this.#tokens;
  }

  /** Frees graphs and memory; experts stay in their slots. */
  close(): void {
    this.waves.close();
    this.#prompts.close();
    this.#batches.close();
  }

  #run(units: readonly GroupUnit[]): void {
    try {
      this.pass.run(units);
    } catch (error) {
      this.waves.abandon();
      throw error;
    }
  }

  /** Waves of the layer before end while the next segment, which was begun, waits behind them. */
  readonly #settle = (): void => this.waves.settle();

  /** The machine with the context of whatever prompt is computed. */
  #promptMachine(): BatchMachine {
    const current = () => this.#promptContext;
    return {
      ...this.#parts.machine,
      get context() {
        return current();
      },
    };
  }

  #promptUnit({ prompt, sequence, mask, all, last, onLogits }: PromptParts): GroupUnit {
    const { machine, sequencesPerBatch } = this.#parts;
    const { model } = machine;
    const { expertUsedCount: used } = model;
    const tokensAt = (layer: number) => (layer === model.layerCount - 1 ? 1 : prompt.length);
    const slicesAt = (index: number) => {
      const layer = model.moeLayers[index];
      if (layer === undefined) return undefined;
      return tokensAt(layer) === 1 ? last : all;
    };
    return {
      batch: Math.floor(sequence / sequencesPerBatch),
      firstToken: sequence * this.#batches.promptStride,
      tokensAt,
      compute: (index) => {
        // Positions stay as they are for the segments that follow.
        if (index === 0) machine.context.enter(prompt, 0, prompt.length, 0);
        this.#promptContext = this.#batches.contextOf(sequence);
        if (!mask) throw new Error("every length of a prompt has its mask");
        const segment = {
          index,
          tokenCount: prompt.length,
          visible: visibleTokens(machine, prompt.length),
          mask,
          before: slicesAt(index - 1),
          after: slicesAt(index),
          wantsLogits: true,
        };
        const { chosen } = this.#prompts.compute(segment, undefined, this.#settle);
        if (!chosen) this.#choose(sequence, this.#prompts.logits, onLogits);
        // The last layer may have routed the last token only.
        else this.#replay(index, sequence, prompt.length - chosen.length / used, chosen);
        return chosen;
      },
    };
  }

  /** Puts what the routing says in place of what a step of a batch has chosen. */
  #replayStep(index: number, first: number, context: BatchContext, chosen: Int32Array): void {
    const { expertUsedCount: used } = this.#parts.machine.model;
    for (let at = 0; at * used < chosen.length; at++) {
      const own = chosen.subarray(at * used, (at + 1) * used);
      this.#replay(index, first + at, context.lengthOf(at) - 1, own);
    }
  }

  #replay(index: number, sequence: number, position: number, chosen: Int32Array): void {
    const { machine, routing } = this.#parts;
    const layer = machine.model.moeLayers[index];
    if (layer === undefined) return;
    routing?.replace(layer, this.#firstSequence + sequence, position, chosen);
  }

  #choose(sequence: number, logits: Float32Array, onLogits: OnLogits | undefined): void {
    onLogits?.(sequence, this.#step, logits);
    this.#tokens[sequence] = argmax(logits);
  }
}
