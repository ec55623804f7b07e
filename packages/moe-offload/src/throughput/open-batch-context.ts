import { visibleStretch } from "../engine/device/device-context.ts";
import type { BatchMachine } from "../prefill/batch-machine.ts";
import { type BatchContext, batchContextBytes } from "./batch-context.ts";
import { CardBatchContext } from "./device/card-batch-context.ts";
import { HostBatchContext } from "./host-batch-context.ts";

/**
 * Takes memory for the context of a batch where the machine computes.
 *
 * @param tokensMax  of each sequence; its cache may hold more
 * @throws GgmlError `ALLOCATION_FAILED`
 */
export function openBatchContext(
  machine: BatchMachine,
  tokensMax: number,
  sequenceCount: number,
): BatchContext {
  const { device, model } = machine;
  const length = cacheLength(machine, tokensMax);
  return device.isHost
    ? new HostBatchContext(model, device, length, sequenceCount)
    : new CardBatchContext(machine, length, sequenceCount);
}

/** Bytes that the context of a batch takes. */
export function contextBytes(
  machine: Pick<BatchMachine, "device" | "model">,
  tokensMax: number,
  sequenceCount: number,
): number {
  return batchContextBytes(machine.model, cacheLength(machine, tokensMax), sequenceCount);
}

/** Cards read caches in stretches. */
function cacheLength({ device }: Pick<BatchMachine, "device">, tokensMax: number): number {
  return device.isHost ? tokensMax : visibleStretch(tokensMax);
}
