import type { HyperParameters } from "./hyper-parameters.ts";
import type { ExpertSource, LayerHook, SlotPool } from "./interfaces.ts";
import type { TokenGraphs } from "./machine.ts";
import type { PromptBatch } from "./prompt-graph.ts";

/** Graphs of one token that come back to the source of experts in every layer. */
export interface SplitTokenGraphs extends TokenGraphs {
  /** Told when a phase begins. */
  onLayer: LayerHook | undefined;
}

/** Evaluates prompts as whole batches. */
export interface PromptEvaluator {
  /**
   * Evaluates a batch whose inputs are entered.
   * @returns logits of the last token, overwritten by the next call; stale unless `wantsLogits`
   */
  evaluate(batch: PromptBatch): Float32Array;
  close(): void;
}

/** What an engine computes with: weights, context, slots and graphs on one device. */
export interface Computer {
  readonly model: HyperParameters;
  readonly pool: SlotPool;
  /** Tokens the context holds, and of one batch at most. */
  readonly contextLength: number;
  readonly batchTokens: number;
  /** Enters tokens as the inputs of a batch that begins at `position`. */
  enter(tokens: ArrayLike<number>, from: number, count: number, position: number): void;
  /** Graphs of one token, for experts that are all resident in natural order. */
  whole(): TokenGraphs;
  split(source: ExpertSource): SplitTokenGraphs;
  prompt(): PromptEvaluator;
}
