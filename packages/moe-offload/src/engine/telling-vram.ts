import { type Device, GgmlError } from "@fmlab/ggml";
import type { ExpertLayout } from "../model/expert-layout.ts";
import { outOfVram } from "./fit-vram.ts";
import type { HyperParameters } from "./hyper-parameters.ts";

/** What is asked of a card when an engine is opened; its weights lie there already. */
export interface VramRequest {
  readonly device: Device;
  readonly model: HyperParameters;
  readonly layout: ExpertLayout;
  /** Slots of each class, or of all together. */
  readonly slotCounts: readonly number[];
  readonly contextLength: number;
}

/** Graphs of one token, masks and inputs: what was seen on models of up to 47 billion weights. */
export const COMPUTE_BYTES = 64 * 2 ** 20;

/**
 * Takes memory of a card, and says what would fit where it does not.
 *
 * @throws OutOfVramError in place of the card's bare refusal; whatever else `take` throws
 */
export function tellingVram<T>(request: VramRequest, take: () => T): T {
  try {
    return take();
  } catch (cause) {
    const isShort = cause instanceof GgmlError && cause.failure.code === "ALLOCATION_FAILED";
    if (!isShort || request.device.isHost) throw cause;
    const { device, layout, model, slotCounts, contextLength } = request;
    const { freeBytes, totalBytes } = device.memory();
    const { sizeBytes, what } = cause.failure as { sizeBytes: number; what: string };
    throw outOfVram(
      {
        weightsBytes: 0,
        slotBytes: layout.expertBytes,
        slotCount: slotCounts.reduce((sum, count) => sum + count, 0),
        slotCountMin: model.expertUsedCount * layout.classes.length,
        contextTokens: contextLength,
        contextTokensMin: 1,
        kvBytesPerToken: model.layerCount * 4 * model.keyLength,
        computeBytes: COMPUTE_BYTES,
      },
      { freeBytes, totalBytes },
      { what, sizeBytes, cause },
    );
  }
}
