import { quantileOf } from "../simulator/summary.ts";
import type { TestbedNode } from "./testbed-node.ts";
import type { TestbedPlan } from "./testbed-plan.ts";

/** What the machine adds to work, measured before the run; ms. */
export interface Calibration {
  /** From no process to one that listens. */
  coldStartMs: number;
  /** A request without work to a process that waits. */
  overheadMs: number;
  /** Real time over asked time of work. */
  stretch: number;
}

const WORK_MS = 40;

/**
 * Measures start, overhead and stretch on the idle testbed: medians over `rounds` on every node.
 * The prediction knows these three numbers of the machine and nothing of the run.
 */
export async function calibrate(
  nodes: readonly TestbedNode[],
  plan: TestbedPlan,
  rounds: number,
): Promise<Calibration> {
  const name = plan.functions[0]?.name ?? "";
  const cold: number[] = [];
  const empty: number[] = [];
  const working: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const node of nodes) {
      await node.cool(name);
      cold.push((await node.invoke(name, 0, plan.cpuShare)).tookMs);
      // The first request of a process compiles its code; the second counts.
      await node.invoke(name, WORK_MS, plan.cpuShare);
      empty.push((await node.invoke(name, 0, plan.cpuShare)).tookMs);
      working.push((await node.invoke(name, WORK_MS, plan.cpuShare)).tookMs);
    }
  }
  for (const node of nodes) await node.cool(name);
  const overheadMs = medianOf(empty);
  return {
    overheadMs,
    coldStartMs: Math.max(0, medianOf(cold) - overheadMs),
    stretch: Math.max(1, (medianOf(working) - overheadMs) / WORK_MS),
  };
}

function medianOf(values: readonly number[]): number {
  return quantileOf(Float64Array.from(values).sort(), 0.5);
}
