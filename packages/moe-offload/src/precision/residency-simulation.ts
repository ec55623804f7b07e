import { MoeError } from "../errors.ts";
import type { RoutingShape } from "../offload/routing.ts";
import { Scheduler } from "../offload/scheduler.ts";
import { planSlots } from "../offload/slot-table.ts";
import type { PolicyContext, PolicyDefinition } from "../policies/policy.ts";
import { InstantLane } from "./instant-lane.ts";

/** Who is to be simulated with how much memory. */
export interface ResidencyRequest {
  readonly shape: RoutingShape;
  readonly policy: PolicyDefinition;
  /** Slots the policy may use, staging included. */
  readonly slotCount: number;
  /** Experts that somebody prefetches; slots to hold them are part of `slotCount`. */
  readonly prefetchWidth?: number;
  /** What the policy knows beside shape and allocation. */
  readonly knowledge?: Omit<PolicyContext, "shape" | "allocation">;
  /** Class of each layer's experts; all alike when left out. */
  readonly classOfLayer?: (layer: number) => number;
}

/**
 * A scheduler without bytes or time, on which a policy decides who is resident, as it would decide
 * in the engine. Its initial experts are placed.
 *
 * @throws MoeError `BUDGET_TOO_SMALL`, in slots: `budgetBytes` and `neededBytes` count slots of 1
 */
export function simulateResidency(request: ResidencyRequest): Scheduler {
  const { knowledge = {}, policy, prefetchWidth = 0, shape, slotCount } = request;
  const allocation = policy.allocate(shape, slotCount, prefetchWidth, knowledge.missCurves);
  if (typeof allocation === "number") {
    throw new MoeError(
      `${slotCount} experts fit in the simulated memory; policy ${policy.name} needs at least ` +
        `${allocation}. Raise the budget or choose another policy.`,
      {
        code: "BUDGET_TOO_SMALL",
        policy: policy.name,
        budgetBytes: slotCount,
        neededBytes: allocation,
      },
    );
  }
  const context: PolicyContext = { ...knowledge, shape, allocation };
  const { plan } = planSlots(shape, allocation, request.classOfLayer ?? (() => 0));
  const parts = { shape, plan, policy: policy.create(context), lane: new InstantLane() };
  const scheduler = new Scheduler(parts);
  scheduler.place(policy.initial?.(context) ?? []);
  return scheduler;
}
