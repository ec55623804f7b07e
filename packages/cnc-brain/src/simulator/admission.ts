import type { FunctionSpec } from "./specs.ts";

/**
 * Who may run where and how much: asked by the gateway before any scheduler. Governance implements
 * it; `everythingAllowed` is a cluster without rules.
 */
export interface Admission {
  /** Whether the rules let this function on this node; the answer must not change in a run. */
  allows(functionIndex: number, node: number): boolean;
  /** Takes the request's share of its tenant's quota; false when there is none left. */
  acquire(functionIndex: number): boolean;
  /** The request has ended: its share is free. */
  release(functionIndex: number): void;
  /** Of requests that wait for quota, whose turn it is; lower goes first. */
  turn(functionIndex: number): number;
}

/** No rules, no quotas. */
export function everythingAllowed(): Admission {
  return { allows: () => true, acquire: () => true, release: () => {}, turn: () => 0 };
}

/** Whether a node's labels satisfy a selector. */
export function selects(
  selector: FunctionSpec["nodeSelector"],
  labels: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}
