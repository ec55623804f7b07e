import { MoeError } from "../errors.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";
import type { Allocation, MissCurves, PolicyDefinition } from "../policies/policy.ts";
import { planSlots, type SlotPlan } from "./slot-table.ts";

/** What a budget of fast memory buys. */
export interface ExpertMemory {
  readonly allocation: Allocation;
  readonly plan: SlotPlan;
  /** By class of experts: its slots. */
  readonly slotsOfClass: readonly number[];
  /** Bytes of all slots, all staging included; at most the budget. */
  readonly usedBytes: number;
}

/** What decides how a budget is spent. */
export interface MemoryRequest {
  readonly budgetBytes: number;
  readonly policy: PolicyDefinition;
  /** Most experts on their way for later layers at once. */
  readonly prefetchWidth: number;
  readonly missCurves?: MissCurves;
  /** Part of the budget that is spent on other expert storage: staging of twins. Default 0. */
  readonly reservedBytes?: number;
}

/**
 * Buys as many slots as the budget pays for and shares them out as the policy says.
 *
 * @throws MoeError `BUDGET_TOO_SMALL` with the smallest budget that would do
 */
export function planExpertMemory(layout: ExpertLayout, request: MemoryRequest): ExpertMemory {
  const { budgetBytes, policy, reservedBytes = 0 } = request;
  const { expertCount, moeLayers } = layout;
  const buy = (slotCount: number) => {
    const { prefetchWidth, missCurves } = request;
    const bought = policy.allocate(layout, slotCount, prefetchWidth, missCurves);
    return typeof bought === "number" ? bought : memoryOf(layout, bought, reservedBytes);
  };
  // Staging and classes of different sizes make the price of a slot count something to try out.
  let least = 0;
  let most = 2 * moeLayers.length * expertCount;
  let best: ExpertMemory | undefined;
  while (least <= most) {
    const middle = Math.floor((least + most) / 2);
    const bought = buy(middle);
    if (typeof bought === "number") least = Math.max(middle + 1, 0);
    else if (bought.usedBytes <= budgetBytes) {
      best = bought;
      least = middle + 1;
    } else most = middle - 1;
  }
  if (best) return best;
  throw tooSmall(request, smallest(buy, 2 * moeLayers.length * expertCount));
}

function memoryOf(
  layout: ExpertLayout,
  allocation: Allocation,
  reservedBytes: number,
): ExpertMemory {
  const classOfLayer = (layer: number) =>
    layout.moeLayers.includes(layer) ? layout.classOfLayer(layer).index : 0;
  const { plan, slotsOfClass } = planSlots(layout, allocation, classOfLayer);
  const usedBytes = slotsOfClass.reduce(
    (sum, count, index) => sum + count * (layout.classes[index]?.expertBytes ?? 0),
    reservedBytes,
  );
  return { allocation, plan, slotsOfClass, usedBytes };
}

/** Bytes of the cheapest allocation the policy accepts. */
function smallest(buy: (slotCount: number) => ExpertMemory | number, most: number): number {
  for (let slotCount = 1; slotCount <= most; slotCount++) {
    const bought = buy(slotCount);
    if (typeof bought !== "number") return bought.usedBytes;
    slotCount = Math.max(slotCount, bought - 1);
  }
  return 0;
}

function tooSmall({ budgetBytes, policy }: MemoryRequest, neededBytes: number): MoeError {
  return new MoeError(
    `the expert memory budget of ${mebibytes(budgetBytes)} MiB is too small for the policy ` +
      `${policy.name}, which needs ${mebibytes(neededBytes)} MiB for this model. ` +
      `Set budgetMiB to ${mebibytes(neededBytes)} or more, or choose another policy.`,
    { code: "BUDGET_TOO_SMALL", policy: policy.name, budgetBytes, neededBytes },
  );
}

/** MiB rounded up to three decimals, so that the number told is enough. */
function mebibytes(bytes: number): number {
  return Math.ceil((bytes / 1_048_576) * 1000) / 1000;
}
