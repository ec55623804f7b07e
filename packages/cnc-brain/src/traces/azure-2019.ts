import { type CsvTable, columnIndex, numberField, openCsv } from "../csv.ts";
import { badFile } from "../errors.ts";

/** Files of one day in the form of the Azure Functions 2019 data set, packed or not. */
export interface Azure2019Paths {
  invocations: string;
  durations?: string;
  memory?: string;
}

/** Durations of a function as the data set gives them, ms; cold starts excluded. */
export interface DurationProfile {
  averageMs: number;
  minimumMs: number;
  maximumMs: number;
  /** Percentiles 0, 1, 25, 50, 75, 99, 100 of 30-second averages, weighted by count. */
  percentilesMs: number[];
}

/** One function of the data set. */
export interface AzureFunction {
  id: string;
  app: string;
  owner: string;
  /** Empty where the file has no such column. */
  trigger: string;
  /** Invocations in each minute. */
  perMinute: Uint32Array;
  duration: DurationProfile | undefined;
  /** Committed memory of its application, MB. */
  memoryMb: number | undefined;
}

/** A day, or what a sampler left of it. */
export interface Azure2019Trace {
  functions: AzureFunction[];
  minutes: number;
  invocationCount: number;
  /** Functions of the invocations file that the other files do not know. */
  withoutDuration: number;
  withoutMemory: number;
}

const PERCENTILES = [0, 1, 25, 50, 75, 99, 100];

/**
 * Reads a day of the Azure Functions 2019 trace, in the original form (columns 1..1440, Trigger) or
 * In-Vitro's (minute_1..., no Trigger); any number of minutes. Rows are joined by their hashes.
 *
 * @throws CncError `UNREADABLE_FILE`, `BAD_FILE` with file and line
 * @see Shahrad et al. 2020, Serverless in the Wild (USENIX ATC); the data set's own description
 */
export function readAzure2019(paths: Azure2019Paths): Azure2019Trace {
  const functions = readInvocations(paths.invocations);
  const durations = paths.durations === undefined ? undefined : readDurations(paths.durations);
  const memory = paths.memory === undefined ? undefined : readMemory(paths.memory);
  let invocationCount = 0;
  for (const fn of functions) {
    fn.duration = durations?.get(`${fn.owner}/${fn.app}/${fn.id}`);
    fn.memoryMb = memory?.get(`${fn.owner}/${fn.app}`);
    for (const count of fn.perMinute) invocationCount += count;
  }
  return {
    functions,
    minutes: functions[0]?.perMinute.length ?? 0,
    invocationCount,
    withoutDuration: functions.filter((fn) => fn.duration === undefined).length,
    withoutMemory: functions.filter((fn) => fn.memoryMb === undefined).length,
  };
}

function readInvocations(path: string): AzureFunction[] {
  const table = openCsv(path);
  const [idAt, appAt, ownerAt] = hashColumns(table);
  const triggerAt = table.columns.indexOf("Trigger");
  const minuteAt = table.columns.flatMap((name, i) => (/^(minute_)?\d+$/.test(name) ? [i] : []));
  if (minuteAt.length === 0) throw badFile(path, 1, "no columns of minutes (1, 2, ...)");
  const functions: AzureFunction[] = [];
  const seen = new Map<string, number>();
  for (const row of table.rows) {
    const [id, app, owner] = [idAt, appAt, ownerAt].map((at) => row.fields[at] ?? "");
    const key = `${owner}/${app}/${id}`;
    const before = seen.get(key);
    if (before !== undefined) throw badFile(path, row.line, `the function of line ${before} again`);
    seen.set(key, row.line);
    functions.push({
      id: id ?? "",
      app: app ?? "",
      owner: owner ?? "",
      trigger: triggerAt < 0 ? "" : (row.fields[triggerAt] ?? ""),
      perMinute: Uint32Array.from(minuteAt, (at) =>
        numberField(table, row, at, { min: 0, isInteger: true }),
      ),
      duration: undefined,
      memoryMb: undefined,
    });
  }
  if (functions.length === 0) throw badFile(path, 1, "the trace has no functions");
  return functions;
}

function readDurations(path: string): Map<string, DurationProfile> {
  const table = openCsv(path);
  const [idAt, appAt, ownerAt] = hashColumns(table);
  const [averageAt, minimumAt, maximumAt] = ["Average", "Minimum", "Maximum"].map((name) =>
    columnIndex(table, name),
  ) as [number, number, number];
  const percentileAt = PERCENTILES.map((p) => columnIndex(table, `percentile_Average_${p}`));
  const profiles = new Map<string, DurationProfile>();
  for (const row of table.rows) {
    const value = (at: number) => numberField(table, row, at, { min: 0 });
    const percentilesMs = percentileAt.map(value);
    const isFalling = percentilesMs.some((p, i) => i > 0 && p < (percentilesMs[i - 1] as number));
    if (isFalling) throw badFile(path, row.line, "the percentiles fall");
    profiles.set(`${row.fields[ownerAt]}/${row.fields[appAt]}/${row.fields[idAt]}`, {
      averageMs: value(averageAt),
      minimumMs: value(minimumAt),
      maximumMs: value(maximumAt),
      percentilesMs,
    });
  }
  return profiles;
}

function readMemory(path: string): Map<string, number> {
  const table = openCsv(path);
  const appAt = columnIndex(table, "HashApp");
  const ownerAt = columnIndex(table, "HashOwner");
  const averageAt = columnIndex(table, "AverageAllocatedMb");
  const memory = new Map<string, number>();
  for (const row of table.rows) {
    const key = `${row.fields[ownerAt]}/${row.fields[appAt]}`;
    memory.set(key, numberField(table, row, averageAt, { min: 0 }));
  }
  return memory;
}

function hashColumns(table: CsvTable): [number, number, number] {
  return [
    columnIndex(table, "HashFunction"),
    columnIndex(table, "HashApp"),
    columnIndex(table, "HashOwner"),
  ];
}
