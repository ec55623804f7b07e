import type { TableSeries } from "@fmlab/experiment";

/** A table as CSV (RFC 4180): all digits of every number, nothing for what is missing. */
export function tableCsv(table: TableSeries): string {
  const header = table.columns.map((column) =>
    column.unit === "" ? column.title : `${column.title} (${column.unit})`,
  );
  const rows = table.rows.map((row) => table.columns.map((column) => row[column.key] ?? ""));
  return `${[header, ...rows].map((cells) => cells.map(cell).join(",")).join("\r\n")}\r\n`;
}

function cell(value: string | number): string {
  if (typeof value === "number") return String(value);
  // A leading = + - @ would be run as a formula by spreadsheets.
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
