import type { Tensor } from "@fmlab/ggml";
import { CausalMask } from "../engine/causal-mask.ts";
import { requireOption } from "../engine/errors.ts";
import type { Machine } from "../engine/machine.ts";
import { ActivationMemory, type TokenSlices } from "../prefill/activation-memory.ts";
import { PromptSegments } from "../prefill/prompt-segments.ts";
import type { SlotStream } from "../prefill/slot-stream.ts";
import { WaveExecutor } from "../prefill/wave-executor.ts";
import { argmax } from "../sampling/sampler.ts";
import { BatchContext } from "./batch-context.ts";
import type { CorrelationTable } from "./correlation-table.ts";
import { DecodeSegments } from "./decode-segments.ts";
import { GroupPass, type GroupUnit } from "./group-pass.ts";
import type { Schedule } from "./schedules.ts";

/** What a group engine is made of. */
export interface GroupEngineParts {
  readonly machine: Machine;
  readonly stream: SlotStream;
  readonly table: CorrelationTable;
  readonly schedule: Schedule;
  /** Sequences of a batch (B) and batches of a group (n). */
  readonly sequencesPerBatch: number;
  readonly batchCount: number;
  /** Longest prompt, and longest prompt with its continuation, in tokens. */
  readonly promptTokensMax: number;
  readonly contextTokensMax: number;
  readonly hotCount: number;
  readonly nowMs: () => number;
}

/** Told of the logits of a sequence's newest token, `[vocabulary]`, before they are used again. */
export type OnLogits = (sequence: number, step: number, logits: Float32Array) => void;

/** One batch's memory and graphs. */
interface Batch {
  readonly slices: TokenSlices;
  readonly context: BatchContext;
  readonly segments: DecodeSegments;
}

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
 * link. Prompts are evaluated sequence by sequence, so their logits are those of the prompt graph.
 */
export class GroupEngine {
  readonly pass: GroupPass;
  readonly waves: WaveExecutor;
  readonly #parts: GroupEngineParts;
  readonly #memory: ActivationMemory;
  readonly #prompts: PromptSegments;
  readonly #batches: Batch[] = [];
  /** By sequence: the token chosen last. */
  readonly #tokens: Int32Array;
  #step = 0;

  /** @throws GgmlError `ALLOCATION_FAILED` */
  constructor(parts: GroupEngineParts) {
    const { batchCount, machine, promptTokensMax, sequencesPerBatch, stream } = parts;
    const { device, model, pool } = machine;
    const sequences = batchCount * sequencesPerBatch;
    this.#parts = parts;
    this.#tokens = new Int32Array(sequences);
    this.#memory = new ActivationMemory(model, device, sequences * promptTokensMax);
    this.waves = new WaveExecutor(machine, this.#memory, stream, parts.nowMs);
    this.#prompts = new PromptSegments(machine);
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
    try {
      for (let batch = 0; batch < batchCount; batch++) this.#addBatch(batch);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Bytes that one more batch takes: its caches and its activations.
   */
  static batchBytes(
    parts: Pick<GroupEngineParts, "sequencesPerBatch" | "promptTokensMax" | "contextTokensMax"> & {
      machine: Pick<Machine, "model">;
    },
  ): number {
    const { contextTokensMax, machine, promptTokensMax, sequencesPerBatch } = parts;
    return (
      BatchContext.sizeBytes(machine.model, contextTokensMax, sequencesPerBatch) +
      sequencesPerBatch * promptTokensMax * ActivationMemory.bytesPerToken(machine.model)
    );
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
    const { machine, promptTokensMax, sequencesPerBatch } = this.#parts;
    const { length: sequences } = this.#tokens;
    requireOption("number of prompts", prompts.length, sequences, sequences);
    for (const { length } of prompts) requireOption("prompt length", length, 1, promptTokensMax);
    this.#step = 0;
    const masks = new Map<number, CausalMask>();
    const owned: { close(): void }[] = [];
    try {
      for (const { length } of prompts) {
        if (masks.has(length)) continue;
        const mask = new CausalMask(machine.device, length, 0);
        masks.set(length, mask);
        owned.push(mask);
      }
      const units = prompts.map((prompt, sequence) => {
        const firstToken = sequence * promptTokensMax;
        const all = this.#memory.slices(firstToken, prompt.length);
        owned.push(all);
        const last = this.#memory.slices(firstToken, 1);
        owned.push(last);
        const mask = masks.get(prompt.length)?.tensor;
        return this.#promptUnit({ prompt, sequence, mask, all, last, onLogits });
      });
      this.pass.run(units);
    } finally {
      for (const one of owned) one.close();
    }
    prompts.forEach(({ length }, sequence) => {
      const batch = this.#batches[Math.floor(sequence / sequencesPerBatch)];
      batch?.context.setLength(sequence % sequencesPerBatch, length);
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
    const units = this.#batches.map(({ context, segments }, batch): GroupUnit => {
      const first = batch * count;
      context.enter(this.#tokens.subarray(first, first + count));
      return {
        batch,
        firstToken: first,
        tokensAt: () => count,
        compute: (index) => {
          const chosen = segments.compute(index);
          if (chosen) return chosen;
          for (let sequence = 0; sequence < count; sequence++) {
            const at = sequence * model.vocabularySize;
            const logits = segments.logits.subarray(at, at + model.vocabularySize);
            this.#choose(first + sequence, logits, onLogits);
          }
          return undefined;
        },
      };
    });
    this.pass.run(units);
    return this.#tokens;
  }

  /** Frees graphs and memory; experts stay in their slots. */
  close(): void {
    // Later batches share the memory of the first one's graphs.
    for (const { context, segments, slices } of this.#batches.reverse()) {
      segments.close();
      slices.close();
      context.close();
    }
    this.waves.close();
    this.#prompts.close();
    this.#memory.close();
  }

  #addBatch(batch: number): void {
    const { contextTokensMax, machine, sequencesPerBatch } = this.#parts;
    const { device, model } = machine;
    const context = new BatchContext(model, device, contextTokensMax, sequencesPerBatch);
    const slices = this.#memory.slices(batch * sequencesPerBatch, sequencesPerBatch);
    try {
      const first = this.#batches[0]?.segments;
      const segments = new DecodeSegments(machine, context, slices, first);
      this.#batches.push({ context, segments, slices });
    } catch (error) {
      slices.close();
      context.close();
      throw error;
    }
  }

  #promptUnit({ prompt, sequence, mask, all, last, onLogits }: PromptParts): GroupUnit {
    const { machine, promptTokensMax, sequencesPerBatch } = this.#parts;
    const { model } = machine;
    const tokensAt = (layer: number) => (layer === model.layerCount - 1 ? 1 : prompt.length);
    const slicesAt = (index: number) => {
      const layer = model.moeLayers[index];
      if (layer === undefined) return undefined;
      return tokensAt(layer) === 1 ? last : all;
    };
    return {
      batch: Math.floor(sequence / sequencesPerBatch),
      firstToken: sequence * promptTokensMax,
      tokensAt,
      compute: (index) => {
        machine.context.enter(prompt, 0, prompt.length, 0);
        if (!mask) throw new Error("every length of a prompt has its mask");
        const { chosen } = this.#prompts.compute({
          index,
          tokenCount: prompt.length,
          visible: prompt.length,
          mask,
          before: slicesAt(index - 1),
          after: slicesAt(index),
          wantsLogits: true,
        });
        this.#keepCache(index, sequence, prompt.length);
        if (!chosen) this.#choose(sequence, this.#prompts.logits, onLogits);
        return chosen;
      },
    };
  }

  /** Copies the keys and values of the layers of a segment to the sequence's own cache. */
  #keepCache(index: number, sequence: number, tokenCount: number): void {
    const { machine, sequencesPerBatch } = this.#parts;
    const { context, model } = machine;
    const target = this.#batches[Math.floor(sequence / sequencesPerBatch)]?.context;
    const first = (model.moeLayers[index - 1] ?? -1) + 1;
    const end = (model.moeLayers[index] ?? model.layerCount - 1) + 1;
    for (let layer = first; layer < end; layer++) {
      target?.copyLayer(layer, sequence % sequencesPerBatch, context, tokenCount);
    }
  }

  #choose(sequence: number, logits: Float32Array, onLogits: OnLogits | undefined): void {
    onLogits?.(sequence, this.#step, logits);
    this.#tokens[sequence] = argmax(logits);
  }
}
