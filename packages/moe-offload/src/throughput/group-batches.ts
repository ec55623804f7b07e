import type { Device } from "@fmlab/ggml";
import { ActivationMemory, type TokenSlices } from "../prefill/activation-memory.ts";
import type { BatchMachine, SequenceContext } from "../prefill/batch-machine.ts";
import { openReadback, type Readback } from "../prefill/readback.ts";
import type { BatchContext } from "./batch-context.ts";
import { DecodeSegments } from "./decode-segments.ts";
import { contextBytes, openBatchContext } from "./open-batch-context.ts";
import { SequenceCaches } from "./sequence-caches.ts";

/** How large the batches of a group are. */
export interface GroupSizes {
  /** Sequences of a batch (B). */
  readonly sequencesPerBatch: number;
  /** Longest prompt, and longest prompt with its continuation, in tokens. */
  readonly promptTokensMax: number;
  readonly contextTokensMax: number;
}

/** One batch's memory and graphs. */
export interface GroupBatch {
  /** Of its tokens in the activation memory. */
  readonly firstToken: number;
  readonly slices: TokenSlices;
  readonly context: BatchContext;
  readonly caches: SequenceCaches;
  readonly segments: DecodeSegments;
}

type MachineSizes = Pick<BatchMachine, "device" | "model">;

/** Bytes that activations of one more batch take. */
export function activationBytes(machine: MachineSizes, sizes: GroupSizes): number {
  const tokens = sizes.sequencesPerBatch * alignedTokens(machine.device, sizes.promptTokensMax);
  return tokens * ActivationMemory.bytesPerToken(machine.model);
}

/** Bytes that one more batch takes: its caches and its activations. */
export function batchBytes(machine: MachineSizes, sizes: GroupSizes): number {
  const caches = contextBytes(machine, sizes.contextTokensMax, sizes.sequencesPerBatch);
  return caches + activationBytes(machine, sizes);
}

/** The batches of a group, and the activation memory that they share. */
export class GroupBatches {
  readonly memory: ActivationMemory;
  /** Tokens from one prompt to the next in the activation memory. */
  readonly promptStride: number;
  readonly all: readonly GroupBatch[];
  readonly #machine: BatchMachine;
  readonly #sizes: GroupSizes;
  readonly #readback: Readback;

  /** @throws GgmlError `ALLOCATION_FAILED` */
  constructor(machine: BatchMachine, sizes: GroupSizes, batchCount: number) {
    const { device, model } = machine;
    const { sequencesPerBatch } = sizes;
    this.#machine = machine;
    this.#sizes = sizes;
    this.promptStride = alignedTokens(device, sizes.promptTokensMax);
    const stride = alignedTokens(device, sequencesPerBatch);
    const tokens = batchCount * Math.max(sequencesPerBatch * this.promptStride, stride);
    this.memory = new ActivationMemory(model, device, tokens);
    const widest = Math.max(model.expertCount, model.vocabularySize);
    this.#readback = openReadback(device, 4 * sequencesPerBatch * widest);
    const batches: GroupBatch[] = [];
    this.all = batches;
    try {
      for (let batch = 0; batch < batchCount; batch++) {
        batches.push(this.#open(batch * stride, batches[0]));
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Where a sequence's prompt has its inputs and its cache. */
  contextOf(sequence: number): SequenceContext {
    const { sequencesPerBatch: count } = this.#sizes;
    const caches = this.all[Math.floor(sequence / count)]?.caches;
    if (!caches) throw new RangeError(`the group has no sequence ${sequence}`);
    return caches.of(sequence % count);
  }

  /** The prompt of a sequence is in its cache. */
  setLength(sequence: number, tokenCount: number): void {
    const { sequencesPerBatch: count } = this.#sizes;
    this.all[Math.floor(sequence / count)]?.context.setLength(sequence % count, tokenCount);
  }

  /** Frees graphs and memory; whoever computes must be done with them. */
  close(): void {
    this.#readback.close();
    // Later batches share the memory of the first one's graphs.
    for (const { caches, context, segments, slices } of [...this.all].reverse()) {
      segments.close();
      slices.close();
      caches.close();
      context.close();
    }
    this.memory.close();
  }

  #open(firstToken: number, first: GroupBatch | undefined): GroupBatch {
    const machine = this.#machine;
    const { contextTokensMax, sequencesPerBatch } = this.#sizes;
    const opened: { close(): void }[] = [];
    const keep = <T extends { close(): void }>(one: T): T => {
      opened.push(one);
      return one;
    };
    try {
      const context = keep(openBatchContext(machine, contextTokensMax, sequencesPerBatch));
      const caches = keep(new SequenceCaches(machine, context));
      const slices = keep(this.memory.slices(firstToken, sequencesPerBatch));
      const parts = { machine, readback: this.#readback };
      const segments = new DecodeSegments(parts, context, slices, first?.segments);
      return { firstToken, slices, context, caches, segments };
    } catch (error) {
      for (const one of opened.reverse()) one.close();
      throw error;
    }
  }
}

/** Tokens whose activations of any kind end where the next may begin on the device. */
function alignedTokens({ alignmentBytes, isHost }: Device, tokens: number): number {
  if (isHost) return tokens;
  const step = Math.ceil(alignmentBytes / Float32Array.BYTES_PER_ELEMENT);
  return Math.ceil(tokens / step) * step;
}
