import { badFile } from "./errors.ts";
import { readBytes } from "./read-file.ts";

/** A line of a table, with its number in the file (the header is line 1). */
export interface CsvRow {
  line: number;
  fields: string[];
}

/** A table with a header; rows are decoded one by one as they are asked for. */
export interface CsvTable {
  path: string;
  columns: string[];
  rows: Iterable<CsvRow>;
}

/**
 * Opens a comma-separated table, packed (gzip) or not. Fields in quotes may hold commas; a
 * quote inside one is written twice. A field never spans lines.
 *
 * @throws CncError `UNREADABLE_FILE`, `BAD_FILE` with the line for a row with another number of
 * fields than the header
 */
export function openCsv(path: string): CsvTable {
  const lines = linesOf(readBytes(path));
  const first = lines.next();
  if (first.done === true) throw badFile(path, 1, "the file is empty, without a header");
  const columns = first.value.split(",");
  return { path, columns, rows: readRows(path, lines, columns.length) };
}

function* readRows(path: string, lines: Iterator<string>, width: number): Generator<CsvRow> {
  let line = 1;
  for (let next = lines.next(); next.done !== true; next = lines.next()) {
    line++;
    if (next.value === "") continue;
    const fields = next.value.includes('"')
      ? splitQuoted(next.value, path, line)
      : next.value.split(",");
    if (fields.length !== width) {
      throw badFile(path, line, `${fields.length} fields, but the header has ${width}`);
    }
    yield { line, fields };
  }
}

/** Fields of a line with quotes. */
function splitQuoted(text: string, path: string, line: number): string[] {
  const fields: string[] = [];
  const field = /(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))(?=,|$)/gy;
  while (field.lastIndex < text.length) {
    const found = field.exec(text);
    if (found === null) throw badFile(path, line, "quotes that do not fit together");
    fields.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? "");
  }
  return fields;
}

/** Lines without their ends (LF or CR LF); the last one may have none. */
export function* linesOf(bytes: Uint8Array): Generator<string> {
  const decoder = new TextDecoder();
  for (let start = 0; start < bytes.length; ) {
    let end = bytes.indexOf(10, start);
    if (end < 0) end = bytes.length;
    const stop = end > start && bytes[end - 1] === 13 ? end - 1 : end;
    yield decoder.decode(bytes.subarray(start, stop));
    start = end + 1;
  }
}

/**
 * Where a column is.
 *
 * @throws CncError `BAD_FILE` with the columns there are
 */
export function columnIndex(table: CsvTable, name: string): number {
  const index = table.columns.indexOf(name);
  if (index >= 0) return index;
  const some = table.columns.slice(0, 12).join(", ");
  throw badFile(table.path, 1, `there is no column ${name}; the first ones are ${some}`);
}

/**
 * A field as a number within bounds.
 *
 * @throws CncError `BAD_FILE` with line and column
 */
export function numberField(
  table: CsvTable,
  row: CsvRow,
  index: number,
  bounds: { min?: number; isInteger?: boolean } = {},
): number {
  const text = row.fields[index] ?? "";
  const value = text.trim() === "" ? Number.NaN : Number(text);
  const { min = Number.NEGATIVE_INFINITY, isInteger = false } = bounds;
  if (Number.isFinite(value) && value >= min && (!isInteger || Number.isInteger(value))) {
    return value;
  }
  const kind = isInteger ? "a whole number" : "a number";
  const least = min === Number.NEGATIVE_INFINITY ? "" : ` of at least ${min}`;
  const column = table.columns[index];
  throw badFile(table.path, row.line, `${column} must be ${kind}${least}, got "${text}"`);
}
