import type { FunctionSpec } from "../simulator/specs.ts";
import type { InvocationTrace } from "../traces/invocation-trace.ts";

/** What is asked of a cluster: functions and their requests. */
export interface Workload {
  functions: FunctionSpec[];
  trace: InvocationTrace;
  /** How long requests arrive. */
  spanMs: number;
  /** What was assumed, sampled or drawn, in words. */
  notes: string[];
}

/** Work of all requests on cores of speed 1, core-milliseconds. */
export function workOf({ functions, trace }: Pick<Workload, "functions" | "trace">): number {
  let sum = 0;
  for (let i = 0; i < trace.count; i++) {
    const { cores } = functions[trace.functionIndex[i] as number] as FunctionSpec;
    sum += (trace.durationMs[i] as number) * cores;
  }
  return sum;
}
