import type { RoutingShape } from "../offload/routing.ts";
import type { Allocation, MissCurves } from "./policy.ts";

/**
 * Shares `slotCount` slots out so that the time spent waiting for misses is least: each next slot
 * goes where it saves most ms per token, on the lower convex hull of each layer's miss curve. That
 * is exact where the curves are convex, and within one hull segment of the optimum otherwise.
 * Pure and fast (`O(layers * experts * log)`), so that it can be solved again whenever the budget
 * changes, as when the KV cache grows.
 *
 * @param slotsMin  fewest slots of each layer with experts
 * @returns slots by layer `[layerCount]`, at most `slotCount` in sum; what no layer gains from is
 *          spread from the first layer on
 */
export function solveLayerSizes(
  shape: RoutingShape,
  slotCount: number,
  slotsMin: number,
  curves: MissCurves,
): number[] {
  const slots = new Array<number>(shape.layerCount).fill(0);
  let left = slotCount;
  for (const layer of shape.moeLayers) {
    slots[layer] = Math.min(slotsMin, shape.expertCount);
    left -= slots[layer] ?? 0;
  }
  for (const step of hullSteps(shape, slotsMin, curves)) {
    const taken = Math.min(left, step.slots);
    slots[step.layer] = (slots[step.layer] ?? 0) + taken;
    left -= taken;
    if (left <= 0) break;
  }
  return slots;
}

/** `equal` with the slots that keep experts shared out by what they are worth. */
export function allocateByCurves(
  shape: RoutingShape,
  slotCount: number,
  equal: Allocation,
  curves: MissCurves,
): Allocation {
  const keeping = slotCount - equal.staging;
  // Without staging every layer must hold all experts of a token.
  const slotsMin = equal.staging === 0 ? shape.expertUsedCount : 0;
  return { ...equal, slots: solveLayerSizes(shape, keeping, slotsMin, curves) };
}

/** One straight piece of a layer's convexified curve. */
interface HullStep {
  layer: number;
  slots: number;
  /** ms per token that each slot of the piece saves. */
  gainMs: number;
}

/** The pieces of all layers by falling gain; of equals the shallower layer first. */
function hullSteps(shape: RoutingShape, slotsMin: number, curves: MissCurves): HullStep[] {
  const steps: HullStep[] = [];
  for (const layer of shape.moeLayers) {
    const misses = curves.missesPerToken[layer];
    const exposedMs = curves.exposedMs?.[layer] ?? 1;
    const wait = (slots: number) => exposedMs * (misses?.[slots] ?? 0);
    let from = Math.min(slotsMin, shape.expertCount);
    while (from < shape.expertCount) {
      let to = from + 1;
      let gainMs = wait(from) - wait(to);
      for (let end = to + 1; end <= shape.expertCount; end++) {
        const gain = (wait(from) - wait(end)) / (end - from);
        if (gain > gainMs) {
          to = end;
          gainMs = gain;
        }
      }
      steps.push({ layer, slots: to - from, gainMs });
      from = to;
    }
  }
  return steps.sort((a, b) => b.gainMs - a.gainMs || a.layer - b.layer);
}
