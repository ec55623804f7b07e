import type { GraphContext } from "../engine/graph-context.ts";
import type { PromptMachine } from "../engine/prompt-graph.ts";

/** The inputs and the cache of one sequence, on the host or on a card. */
export interface SequenceContext extends GraphContext {
  /** Tokens of one batch at most. */
  readonly batchTokens: number;
  /** Enters `tokens` as the inputs of a batch that begins at `position`. */
  enter(tokens: ArrayLike<number>, from: number, count: number, position: number): void;
}

/** Everything that graphs of whole batches are built from, on the host or on a card. */
export interface BatchMachine extends PromptMachine {
  readonly context: SequenceContext;
}

/** Tokens of the cache that a batch reads to see so many. */
export function visibleTokens(machine: BatchMachine, seen: number): number {
  return machine.visibleOf?.(seen) ?? seen;
}
