import { GgmlLibrary, ThreadPool } from "@fmlab/ggml";
import { ContextMemory } from "../engine/context-memory.ts";
import { readHyperParameters } from "../engine/hyper-parameters.ts";
import type { Machine } from "../engine/machine.ts";
import { loadWeights } from "../engine/weights.ts";
import { TieredPool, type TierFile } from "../precision/tiered-pool.ts";

/** How a model is opened for evaluating texts. */
export interface EvaluationOptions {
  /** Compute threads. */
  readonly threads: number;
  /** Tokens of a window; at most the model's context. */
  readonly contextLength: number;
  /** Tokens evaluated together. */
  readonly batchTokens: number;
  readonly throwIfCancelled?: () => void;
}

/** A model with all its experts in several precisions, in memory. */
export interface EvaluationMachine {
  readonly machine: Machine;
  readonly tiered: TieredPool;
  /** Frees everything native; harmless when called twice. */
  close(): void;
}

/**
 * Loads a model and all its experts in every given precision.
 *
 * @param tiers  the model's own precision first; the caller closes the files
 * @throws MoeError | GgufError | GgmlError for a model or a machine that does not do; whatever
 *         `throwIfCancelled` throws
 */
export function openEvaluation(
  tiers: readonly [TierFile, ...TierFile[]],
  options: EvaluationOptions,
): EvaluationMachine {
  const owned: { close(): void }[] = [];
  const own = <T extends { close(): void }>(resource: T): T => {
    owned.push(resource);
    return resource;
  };
  const close = () => {
    for (let last = owned.pop(); last; last = owned.pop()) last.close();
  };
  try {
    const [{ file }] = tiers;
    const model = readHyperParameters(file);
    const device = GgmlLibrary.load().cpu;
    const backend = own(device.open());
    const { threads, contextLength, batchTokens } = options;
    if (threads > 1) backend.useThreadPool(own(new ThreadPool(device.library, { threads })));
    const weights = loadWeights(file, model, device);
    own(weights);
    options.throwIfCancelled?.();
    const tiered = own(new TieredPool(tiers, device));
    tiered.load(options.throwIfCancelled);
    const context = own(new ContextMemory(model, device, contextLength, batchTokens));
    const { pool } = tiered;
    const machine = { device, backend, model, weights, context, pool, aheadDepth: 1 };
    return { machine, tiered, close };
  } catch (error) {
    close();
    throw error;
  }
}
