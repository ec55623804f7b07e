import { type CsvRow, type CsvTable, columnIndex, openCsv } from "../csv.ts";
import { badFile, unknownName } from "../errors.ts";
import { readText } from "../read-file.ts";
import type { RttMatrix } from "./network.ts";

/**
 * Reads a square matrix of round-trip times: `{"regions": [...], "rtt_ms": [[...]]}`.
 *
 * @throws CncError `UNREADABLE_FILE`, `BAD_FILE`
 */
export function readRttMatrix(path: string): RttMatrix {
  const parsed = parseJson(path);
  const { regions, rtt_ms: rows } = parsed as { regions?: unknown; rtt_ms?: unknown };
  if (!Array.isArray(regions) || regions.some((name) => typeof name !== "string")) {
    throw badFile(path, undefined, '"regions" must be a list of names');
  }
  const isMatrix =
    Array.isArray(rows) &&
    rows.length === regions.length &&
    rows.every(
      (row) =>
        Array.isArray(row) &&
        row.length === regions.length &&
        row.every((time) => typeof time === "number" && time >= 0),
    );
  if (!isMatrix) {
    const size = `${regions.length} x ${regions.length}`;
    throw badFile(path, undefined, `"rtt_ms" must be a ${size} matrix of times of at least 0`);
  }
  return { siteNames: regions as string[], rttMs: rows as number[][] };
}

function parseJson(path: string): object {
  try {
    const parsed: unknown = JSON.parse(readText(path));
    if (typeof parsed === "object" && parsed !== null) return parsed;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw badFile(path, undefined, `no JSON: ${error.message}`);
  }
  throw badFile(path, undefined, "no JSON object");
}

/**
 * Reads round trips between chosen cities from a table of pings with columns from, to and avg_ms
 * (fields may be quoted). A pair measured one way only takes the other way's time; a city's time to
 * itself is 0.
 *
 * @param cities at least two
 * @throws CncError `UNREADABLE_FILE`, `BAD_FILE`, `UNKNOWN_NAME` for a city that is not there
 */
export function readPingTable(path: string, cities: readonly string[]): RttMatrix {
  const table = openCsv(path);
  const [fromAt, toAt, timeAt] = ["from", "to", "avg_ms"].map((name) =>
    columnIndex(table, name),
  ) as [number, number, number];
  const indexOf = new Map(cities.map((name, i) => [name, i]));
  const seen = new Set<string>();
  const rttMs = cities.map((_, i) => cities.map((_, j) => (i === j ? 0 : Number.NaN)));
  for (const row of table.rows) {
    const source = row.fields[fromAt] ?? "";
    seen.add(source);
    const from = indexOf.get(source);
    const to = indexOf.get(row.fields[toAt] ?? "");
    if (from === undefined || to === undefined || from === to) continue;
    (rttMs[from] as number[])[to] = timeOf(table, row, timeAt);
  }
  for (const city of cities) {
    if (!seen.has(city)) throw unknownName("city", city, [...seen].sort());
  }
  return { siteNames: [...cities], rttMs: fillOtherWay(rttMs, cities, path) };
}

function timeOf(table: CsvTable, row: CsvRow, at: number): number {
  const time = Number(row.fields[at] || Number.NaN);
  if (time >= 0) return time;
  throw badFile(
    table.path,
    row.line,
    `avg_ms must be a time of at least 0, got "${row.fields[at]}"`,
  );
}

function fillOtherWay(
  rttMs: readonly (readonly number[])[],
  cities: readonly string[],
  path: string,
): number[][] {
  return rttMs.map((row, i) =>
    row.map((time, j) => {
      if (!Number.isNaN(time)) return time;
      const back = rttMs[j]?.[i] ?? Number.NaN;
      if (!Number.isNaN(back)) return back;
      throw badFile(path, undefined, `no ping between ${cities[i]} and ${cities[j]}, either way`);
    }),
  );
}
