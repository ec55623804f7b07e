import type { ExpertLayout } from "../model/expert-layout.ts";
import { slotsByClass } from "./stream-machine.ts";

/**
 * Shares a budget out to experts and to their twins, in proportion to the share of uses that may be
 * of low precision; at least a slot for each class of either.
 *
 * @param rate  share of uses, 0..1
 * @returns slots of the classes of `own`, then of those of `twins`; their bytes are in the budget
 * @throws MoeError `BUDGET_TOO_SMALL`
 */
export function mixedSlots(
  own: ExpertLayout,
  twins: ExpertLayout,
  budgetBytes: number,
  rate: number,
): number[] {
  const sum = (layout: ExpertLayout) =>
    layout.classes.reduce((bytes, one) => bytes + one.expertBytes, 0);
  // Slots are of the largest kind here: what is bought fits, whatever kinds it is shared out to.
  const largest = (layout: ExpertLayout) =>
    Math.max(...layout.classes.map(({ expertBytes }) => expertBytes));
  const [ownBytes, twinBytes] = [largest(own), largest(twins)];
  const leastOwnBytes = sum(own);
  const all = own.moeLayers.length * own.expertCount;
  const slots = budgetBytes / ((1 - rate) * ownBytes + rate * twinBytes);
  const affordable = Math.floor((budgetBytes - leastOwnBytes) / twinBytes);
  const wanted = Math.min(Math.floor(rate * slots), affordable, all);
  const twinCount = Math.max(wanted, twins.classes.length);
  const leftBytes = budgetBytes - twinCount * twinBytes;
  const least = leftBytes >= leastOwnBytes ? own.classes.length : 0;
  const ownCount = Math.max(Math.floor(leftBytes / ownBytes), least);
  const reservedBytes = sum(twins);
  return [
    ...slotsByClass(own, ownCount, { budgetBytes, reservedBytes }),
    ...slotsByClass(twins, twinCount),
  ];
}
