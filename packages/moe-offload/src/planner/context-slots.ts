import type { MissCurves } from "../policies/policy.ts";
import type { ComputeTimes } from "../replay/compute-times.ts";
import type { PlanCandidate } from "./candidates.ts";
import { type PlanSetup, predict } from "./predict.ts";

/** What so long a context leaves for experts. */
export interface ContextRow {
  readonly contextTokens: number;
  readonly kvBytes: number;
  /** What is left of the memory; below 0 the context does not fit. */
  readonly expertBytes: number;
  /** By layer with experts, shared out anew; empty where the policy has too little memory. */
  readonly slots: readonly number[];
  /** At the end of such a context; undefined where it does not fit. */
  readonly tokensPerSecond: number | undefined;
}

/** Rows of a table, and its shortest context. Chosen. */
const ROWS_MAX = 7;
const CONTEXT_MIN = 128;

/**
 * Shares the memory out anew for contexts of growing length: the KV cache takes what it needs, and
 * layers get slots by what they are worth (`Scheduler.resize` does so while a text grows).
 *
 * @param memoryBytes  experts and KV cache together
 * @param curves  what slots are worth in each layer
 */
export function slotsByContext(
  setup: PlanSetup,
  candidate: PlanCandidate,
  memoryBytes: number,
  curves: MissCurves | undefined,
): ContextRow[] {
  return contextLengths(setup.model.contextLength).map((contextTokens) => {
    const kvBytes = contextTokens * setup.model.kvBytesPerToken;
    const expertBytes = memoryBytes - kvBytes;
    const row = { contextTokens, kvBytes, expertBytes };
    if (expertBytes <= 0) return { ...row, slots: [], tokensPerSecond: undefined };
    const times = timesAt(setup.machine.times, contextTokens);
    const there = { ...setup, machine: { ...setup.machine, times } };
    const budget = Math.min(expertBytes, setup.model.allExpertBytes);
    const found = predict(there, candidate.strategy, budget, curves);
    if (found === undefined) return { ...row, slots: [], tokensPerSecond: undefined };
    return { ...row, slots: found.slots, tokensPerSecond: found.result.tokensPerSecond };
  });
}

/** Powers of two up to the model's context, the longest ones. */
export function contextLengths(contextMax: number): number[] {
  const lengths = [contextMax];
  let next = 2 ** Math.floor(Math.log2(Math.max(1, contextMax - 1)));
  for (; next >= CONTEXT_MIN && lengths.length < ROWS_MAX; next /= 2) lengths.unshift(next);
  return lengths;
}

/** Compute times of a token at the end of a context, whatever its position in the trace. */
function timesAt(times: ComputeTimes, position: number): ComputeTimes {
  return {
    ...times,
    layers: times.layers.map((layer) => ({
      ...layer,
      attentionMs: layer.attentionMs + layer.attentionMsPerPosition * position,
      attentionMsPerPosition: 0,
    })),
  };
}
