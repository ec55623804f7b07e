import { MoeError } from "../errors.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";
import type { PolicyDefinition } from "../policies/policy.ts";

/** What an expert memory budget buys. */
export interface BudgetPlan {
  expertBytes: number;
  budgetBytes: number;
  /** Slots the policy uses; at most what the budget allows. */
  slotCount: number;
  /** 0 when the policy's slots belong to no layer. */
  slotsPerLayer: number;
  /** Bytes of all slots in use. */
  usedBytes: number;
  /** Experts of the whole model. */
  expertTotal: number;
}

/**
 * Turns a budget in slots.
 *
 * @throws MoeError `BUDGET_TOO_SMALL` with the smallest budget that would do
 */
export function planBudget(
  budgetBytes: number,
  layout: ExpertLayout,
  policy: PolicyDefinition,
): BudgetPlan {
  const { expertBytes } = layout;
  const slotsAllowed = Math.floor(budgetBytes / expertBytes);
  const slotsMin = policy.slotsMin(layout);
  if (slotsAllowed < slotsMin) {
    const neededBytes = slotsMin * expertBytes;
    throw new MoeError(
      `the expert memory budget of ${mebibytes(budgetBytes)} MiB holds ${slotsAllowed} experts; ` +
        `policy ${policy.name} needs at least ${slotsMin}. ` +
        `Set budgetMiB to ${mebibytes(neededBytes)} or more, or choose another policy.`,
      { code: "BUDGET_TOO_SMALL", policy: policy.name, budgetBytes, neededBytes },
    );
  }
  const slotCount = policy.slotsUsed(layout, slotsAllowed);
  return {
    expertBytes,
    budgetBytes,
    slotCount,
    slotsPerLayer: policy.slotsPerLayer(layout, slotCount),
    usedBytes: slotCount * expertBytes,
    expertTotal: layout.layerCount * layout.expertCount,
  };
}

/** MiB rounded up to three decimals, so that the number told is enough. */
function mebibytes(bytes: number): number {
  return Math.ceil((bytes / 1_048_576) * 1000) / 1000;
}
