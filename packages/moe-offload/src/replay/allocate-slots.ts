import { MoeError } from "../errors.ts";
import type { RoutingShape } from "../offload/routing.ts";
import type { Allocation, MissCurves, PolicyDefinition } from "../policies/policy.ts";

/** What decides how a budget is shared out. */
export interface SlotRequest {
  readonly policy: PolicyDefinition;
  /** Slots that the budget pays for. */
  readonly slotCount: number;
  readonly prefetchWidth?: number | undefined;
  readonly missCurves?: MissCurves | undefined;
}

/**
 * Shares out a budget of slots as the policy says.
 *
 * @throws MoeError `BUDGET_TOO_SMALL`; its numbers count slots, since a trace has no bytes
 */
export function allocateSlots(shape: RoutingShape, request: SlotRequest): Allocation {
  const { policy, slotCount, prefetchWidth = 0, missCurves } = request;
  const allocation = policy.allocate(shape, slotCount, prefetchWidth, missCurves);
  if (typeof allocation !== "number") return allocation;
  throw new MoeError(
    `policy ${policy.name} needs at least ${allocation} expert slots for this trace, ` +
      `got ${slotCount}. Give it more, or choose another policy.`,
    {
      code: "BUDGET_TOO_SMALL",
      policy: policy.name,
      budgetBytes: slotCount,
      neededBytes: allocation,
    },
  );
}
