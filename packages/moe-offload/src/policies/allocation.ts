import type { RoutingShape } from "../offload/routing.ts";
import type { Allocation } from "./policy.ts";

/**
 * Shares `slotCount` slots out equally over the layers with routed experts, none above
 * `expertCount`; what does not divide is spread evenly over the depth. By layer `[layerCount]`.
 */
export function equalShares(shape: RoutingShape, slotCount: number): number[] {
  const { expertCount, layerCount, moeLayers } = shape;
  const slots = new Array<number>(layerCount).fill(0);
  const usable = Math.min(slotCount, moeLayers.length * expertCount);
  moeLayers.forEach((layer, i) => {
    const before = Math.floor((i * usable) / moeLayers.length);
    slots[layer] = Math.floor(((i + 1) * usable) / moeLayers.length) - before;
  });
  return slots;
}

/**
 * Equal shares for policies that keep every expert a layer needs. Staging only where it must be:
 * when each layer has slots for all experts of a token, the experts that leave are always among
 * those not needed now; otherwise `expertUsedCount` staging slots, and room for prefetches.
 */
export function allocateEqually(
  shape: RoutingShape,
  slotCount: number,
  prefetchWidth: number,
): Allocation | number {
  if (slotCount >= shape.moeLayers.length * shape.expertUsedCount) {
    return { slots: equalShares(shape, slotCount), isShared: false, staging: 0 };
  }
  return allocateWithStaging(shape, slotCount, prefetchWidth);
}

/** Equal shares of what staging for one layer and for the prefetches leaves over. */
export function allocateWithStaging(
  shape: RoutingShape,
  slotCount: number,
  prefetchWidth: number,
): Allocation | number {
  const staging = shape.expertUsedCount + prefetchWidth;
  if (slotCount < staging) return staging;
  return { slots: equalShares(shape, slotCount - staging), isShared: false, staging };
}

/** True when a chosen expert may be used from staging instead of being kept. */
export function mayBypass(shape: RoutingShape, allocation: Allocation): boolean {
  return allocation.staging >= shape.expertUsedCount;
}

/**
 * One region for all layers, without staging: it holds at least the experts of one layer, so that
 * those who leave are always among the ones not needed now.
 */
export function allocateShared(shape: RoutingShape, slotCount: number): Allocation | number {
  if (slotCount < shape.expertUsedCount) return shape.expertUsedCount;
  const slots = Math.min(slotCount, shape.moeLayers.length * shape.expertCount);
  return { slots: [slots], isShared: true, staging: 0 };
}
