import { requireSetting } from "../errors.ts";

/** Requests in the order of their arrival, one column each. */
export interface InvocationTrace {
  count: number;
  /** Which function, index into the functions of the same workload. */
  functionIndex: Uint32Array;
  /** Never falls. */
  arrivalMs: Float64Array;
  /** Work on a core of speed 1, cold start excluded. */
  durationMs: Float64Array;
  /** Site of the user. */
  site: Uint16Array;
}

/** One request, before it is put in columns. */
export interface InvocationRow {
  functionIndex: number;
  arrivalMs: number;
  durationMs: number;
  site?: number;
}

/** Columns of rows in any order; equal arrivals keep the order of the rows. */
export function traceOfRows(rows: readonly InvocationRow[]): InvocationTrace {
  const sorted = [...rows].sort((a, b) => a.arrivalMs - b.arrivalMs);
  return {
    count: sorted.length,
    functionIndex: Uint32Array.from(sorted, (row) => row.functionIndex),
    arrivalMs: Float64Array.from(sorted, (row) => row.arrivalMs),
    durationMs: Float64Array.from(sorted, (row) => row.durationMs),
    site: Uint16Array.from(sorted, (row) => row.site ?? 0),
  };
}

/** The requests that arrive in [fromMs, toMs), with arrivals counted from `fromMs`. */
export function sliceTrace(trace: InvocationTrace, fromMs: number, toMs: number): InvocationTrace {
  requireSetting(toMs >= fromMs, "toMs", toMs, `at least ${fromMs}`);
  const start = firstAtOrAfter(trace.arrivalMs, fromMs);
  const end = firstAtOrAfter(trace.arrivalMs, toMs);
  return {
    count: end - start,
    functionIndex: trace.functionIndex.slice(start, end),
    arrivalMs: trace.arrivalMs.slice(start, end).map((at) => at - fromMs),
    durationMs: trace.durationMs.slice(start, end),
    site: trace.site.slice(start, end),
  };
}

function firstAtOrAfter(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
