import { columnIndex, numberField, openCsv } from "../csv.ts";
import { type InvocationRow, type InvocationTrace, traceOfRows } from "./invocation-trace.ts";

/** A trace of single invocations, with the functions its indices mean. */
export interface NamedTrace {
  /** `app/func` by function index. */
  functionNames: string[];
  trace: InvocationTrace;
}

/**
 * Reads the Azure Functions 2021 trace: columns app, func, end_timestamp, duration (seconds). An
 * invocation begins at its end less its duration; the earliest begins at 0.
 *
 * @throws CncError `UNREADABLE_FILE`, `BAD_FILE` with file and line
 */
export function readAzure2021(path: string): NamedTrace {
  const table = openCsv(path);
  const [appAt, funcAt, endAt, durationAt] = ["app", "func", "end_timestamp", "duration"].map(
    (name) => columnIndex(table, name),
  ) as [number, number, number, number];
  const indexOf = new Map<string, number>();
  const rows: InvocationRow[] = [];
  for (const row of table.rows) {
    const name = `${row.fields[appAt]}/${row.fields[funcAt]}`;
    let functionIndex = indexOf.get(name);
    if (functionIndex === undefined) {
      functionIndex = indexOf.size;
      indexOf.set(name, functionIndex);
    }
    const durationMs = numberField(table, row, durationAt, { min: 0 }) * 1000;
    const endMs = numberField(table, row, endAt, { min: 0 }) * 1000;
    rows.push({ functionIndex, durationMs, arrivalMs: endMs - durationMs });
  }
  const first = rows.reduce((least, row) => Math.min(least, row.arrivalMs), Number.MAX_VALUE);
  for (const row of rows) row.arrivalMs -= first;
  return { functionNames: [...indexOf.keys()], trace: traceOfRows(rows) };
}
