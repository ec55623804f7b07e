import type { SimulationResult } from "../simulator/result.ts";
import type { InvocationTrace } from "../traces/invocation-trace.ts";

const MS_PER_HOUR = 3_600_000;

/** What a tenant pays for a run. */
export interface TenantCharge {
  tenant: string;
  requests: number;
  coreHours: number;
  memoryGbHours: number;
  /** In the currency of the nodes' prices. */
  price: number;
}

/**
 * Charges each tenant for its requests' run time at the prices of the nodes they ran on: cores and
 * memory as asked for, from code start to code end. Cold starts and idle containers are the
 * platform's own cost.
 */
export function chargeTenants(result: SimulationResult, trace: InvocationTrace): TenantCharge[] {
  const charges = new Map<string, TenantCharge>();
  for (let id = result.countedFrom; id < trace.count; id++) {
    const node = result.nodes[result.node[id] as number]?.spec;
    const fn = result.functions[trace.functionIndex[id] as number];
    if (node === undefined || fn === undefined || Number.isNaN(result.responseMs[id])) continue;
    const speed = fn.accelerators > 0 ? node.acceleratorSpeed : node.speed;
    const hours = (trace.durationMs[id] as number) / speed / MS_PER_HOUR;
    const charge = charges.get(fn.tenant) ?? {
      tenant: fn.tenant,
      requests: 0,
      coreHours: 0,
      memoryGbHours: 0,
      price: 0,
    };
    const memoryGbHours = (hours * fn.memoryMb) / 1000;
    charge.requests++;
    charge.coreHours += hours * fn.cores;
    charge.memoryGbHours += memoryGbHours;
    charge.price += hours * fn.cores * node.pricePerCoreHour + memoryGbHours * node.pricePerGbHour;
    charges.set(fn.tenant, charge);
  }
  return [...charges.values()].sort((a, b) => a.tenant.localeCompare(b.tenant));
}

/** Jain's index of fairness: 1 for equal values, 1 / n when one has all. */
export function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((a, b) => a + b, 0);
  const squares = values.reduce((a, b) => a + b * b, 0);
  return squares === 0 ? 1 : (sum * sum) / (values.length * squares);
}
