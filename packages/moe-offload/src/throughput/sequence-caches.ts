import { Arena, ops, type Tensor } from "@fmlab/ggml";
import type { BatchMachine, SequenceContext } from "../prefill/batch-machine.ts";
import type { BatchContext } from "./batch-context.ts";

/**
 * The machine for prompts of sequences of a batch: their inputs are entered in the machine's own
 * context, their keys and values go to their place in the batch's cache at once.
 */
export class SequenceCaches {
  readonly #arena: Arena;
  readonly #contexts: readonly SequenceContext[];

  constructor(machine: BatchMachine, batch: BatchContext) {
    const { context: inputs, device, model } = machine;
    const { memory, sequenceCount, sequenceLength } = batch;
    // A view and a leaf of each layer of each sequence.
    const tensorCountMax = 2 * model.layerCount * sequenceCount + 1;
    const arena = new Arena(device.library, { tensorCountMax });
    const { batchTokens, input, positions, rows } = inputs;
    const enter: SequenceContext["enter"] = (...batchInputs) => inputs.enter(...batchInputs);
    const show = (cache: Tensor, sequence: number) =>
      arena.alias(
        ops.view(arena, cache, {
          shape: [cache.shape[0], sequenceLength],
          offsetBytes: sequence * sequenceLength * cache.strides[1],
        }),
      );
    this.#arena = arena;
    this.#contexts = Array.from({ length: sequenceCount }, (_, sequence) => {
      const keyValues = memory.keyValues.map((cache) => show(cache, sequence));
      return {
        contextLength: sequenceLength,
        keyValues,
        positions,
        rows,
        input,
        batchTokens,
        enter,
      };
    });
  }

  /** The context of a sequence's prompt. */
  of(sequence: number): SequenceContext {
    const context = this.#contexts[sequence];
    if (!context) throw new RangeError(`the batch has no sequence ${sequence}`);
    return context;
  }

  /** Frees the views; the cache stays. */
  close(): void {
    this.#arena.close();
  }
}
