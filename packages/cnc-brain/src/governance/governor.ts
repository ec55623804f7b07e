import { requireSetting } from "../errors.ts";
import type { Admission } from "../simulator/admission.ts";
import type { FunctionSpec, NodeSpec } from "../simulator/specs.ts";
import { dominantShare } from "./dominant-resource.ts";
import type { PolicySet } from "./policies.ts";

/** Who uses the cluster, and how much of it. */
export interface Tenant {
  name: string;
  /** Largest dominant share at any time, 0..1; 1: no limit but the cluster. */
  quota: number;
  /** In whose favour waiting requests are let in: share over weight decides. */
  weight: number;
}

/**
 * Rules and quotas in front of every scheduler: what policies forbid is no candidate, and a tenant
 * at its quota waits until something of its own ends. Of those who wait, the one with the lowest
 * dominant share over weight goes first (dominant-resource fairness).
 *
 * Tenants that are not listed have no quota and weight 1.
 */
export class Governor implements Admission {
  readonly #functions: readonly FunctionSpec[];
  readonly #nodes: readonly NodeSpec[];
  readonly #policies: PolicySet;
  readonly #tenants: Map<string, Tenant>;
  readonly #capacity: number[];
  /** Cores, memory and accelerators in use by tenant. */
  readonly #used = new Map<string, number[]>();
  /** How often a request had to wait for its tenant's quota. */
  heldBack = 0;

  constructor(
    functions: readonly FunctionSpec[],
    nodes: readonly NodeSpec[],
    policies: PolicySet,
    tenants: readonly Tenant[],
  ) {
    this.#functions = functions;
    this.#nodes = nodes;
    this.#policies = policies;
    for (const { quota, weight } of tenants) {
      requireSetting(quota > 0 && quota <= 1, "quota", quota, "above 0 and at most 1");
      requireSetting(weight > 0, "weight", weight, "above 0");
    }
    this.#tenants = new Map(tenants.map((tenant) => [tenant.name, tenant]));
    this.#capacity = [
      nodes.reduce((sum, { cores }) => sum + cores, 0),
      nodes.reduce((sum, { memoryMb }) => sum + memoryMb, 0),
      nodes.reduce((sum, { accelerators }) => sum + accelerators, 0),
    ];
  }

  allows(functionIndex: number, node: number): boolean {
    const fn = this.#functions[functionIndex] as FunctionSpec;
    return this.#policies.judge(fn, this.#nodes[node] as NodeSpec).isAllowed;
  }

  acquire(functionIndex: number): boolean {
    const fn = this.#functions[functionIndex] as FunctionSpec;
    const used = this.#usedBy(fn.tenant);
    const after = demandOf(fn).map((amount, r) => amount + (used[r] as number));
    const { quota = 1 } = this.#tenants.get(fn.tenant) ?? {};
    // A tenant with nothing running may always run one, however small its quota.
    const isFirst = used.every((amount) => amount === 0);
    if (quota < 1 && !isFirst && dominantShare(after, this.#capacity) > quota + 1e-12) {
      this.heldBack++;
      return false;
    }
    this.#used.set(fn.tenant, after);
    return true;
  }

  release(functionIndex: number): void {
    const fn = this.#functions[functionIndex] as FunctionSpec;
    const used = this.#usedBy(fn.tenant);
    const demand = demandOf(fn);
    this.#used.set(
      fn.tenant,
      used.map((amount, r) => Math.max(0, amount - (demand[r] as number))),
    );
  }

  turn(functionIndex: number): number {
    const { tenant } = this.#functions[functionIndex] as FunctionSpec;
    return this.shareOf(tenant) / (this.#tenants.get(tenant)?.weight ?? 1);
  }

  /** The tenant's dominant share now. */
  shareOf(tenant: string): number {
    return dominantShare(this.#usedBy(tenant), this.#capacity);
  }

  #usedBy(tenant: string): number[] {
    return this.#used.get(tenant) ?? [0, 0, 0];
  }
}

function demandOf({ cores, memoryMb, accelerators }: FunctionSpec): number[] {
  return [cores, memoryMb, accelerators];
}
