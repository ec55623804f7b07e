import { GgmlLibrary, ThreadPool } from "@fmlab/ggml";
import { ContextMemory } from "../engine/context-memory.ts";
import { DeviceContext, visibleStretch } from "../engine/device/device-context.ts";
import type { DeviceName } from "../engine/device/device-names.ts";
import { findDevice } from "../engine/device/find-device.ts";
import { readHyperParameters } from "../engine/hyper-parameters.ts";
import type { Machine } from "../engine/machine.ts";
import { loadWeights } from "../engine/weights.ts";
import { TieredPool, type TierFile } from "../precision/tiered-pool.ts";
import type { BatchMachine } from "../prefill/batch-machine.ts";

/** Layers ahead whose gates rules may look at. */
const AHEAD_DEPTH = 1;

/** How a model is opened for evaluating texts. */
export interface EvaluationOptions {
  /** Where the model is computed; default: the CPU. */
  readonly device?: DeviceName | undefined;
  /** Compute threads of the CPU. */
  readonly threads: number;
  /** Tokens of a window; at most the model's context. */
  readonly contextLength: number;
  /** Tokens evaluated together. */
  readonly batchTokens: number;
  readonly throwIfCancelled?: () => void;
}

/** A model with all its experts in several precisions, in memory. */
export interface EvaluationMachine {
  readonly machine: BatchMachine & { readonly aheadDepth: number };
  /** The same where it is the host's: graphs of single tokens are built on it. */
  readonly host: Machine | undefined;
  readonly tiered: TieredPool;
  /** Tokens of a window. */
  readonly contextLength: number;
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
    const device = findDevice(GgmlLibrary.load(), options.device ?? "cpu");
    const backend = own(device.open());
    const { threads, contextLength, batchTokens } = options;
    if (device.isHost && threads > 1)
      backend.useThreadPool(own(new ThreadPool(device.library, { threads })));
    const weights = loadWeights(file, model, device);
    own(weights);
    options.throwIfCancelled?.();
    const tiered = own(new TieredPool(tiers, device));
    tiered.load(options.throwIfCancelled);
    const { pool } = tiered;
    const parts = { device, backend, model, weights, pool, aheadDepth: AHEAD_DEPTH };
    if (device.isHost) {
      const context = own(new ContextMemory(model, device, contextLength, batchTokens));
      const host = { ...parts, context };
      return { machine: host, host, tiered, contextLength, close };
    }
    const { embedding } = weights;
    const context = own(
      new DeviceContext(model, device, backend, embedding, contextLength, batchTokens),
    );
    const visibleOf = (seen: number) => Math.min(visibleStretch(seen), context.contextLength);
    const machine = { ...parts, context, visibleOf };
    return { machine, host: undefined, tiered, contextLength, close };
  } catch (error) {
    close();
    throw error;
  }
}
