import type { Verdict } from "./check-claims.ts";

/**
 * Verdicts as plain text: a table, then what each claim still needs and which runs did not count.
 */
export function renderVerdicts(verdicts: readonly Verdict[]): string {
  if (verdicts.length === 0) return "no claims\n";
  const head = ["claim", "verdict", "value", "expected", "seeds", "fidelity", "provenance"];
  const table = alignColumns([head, ...verdicts.map(row)]);
  const notes = verdicts.map(tellNotes).filter((text) => text !== "");
  return [...table, ...notes.flatMap((text) => ["", text]), ""].join("\n");
}

function row(v: Verdict): string[] {
  const fidelity = v.fidelity.length === 0 ? "-" : v.fidelity.join("+");
  return [v.slug, v.verdict, tellValue(v), v.expected, String(v.n), fidelity, v.provenance];
}

function tellValue({ value, interval, unit }: Verdict): string {
  if (value === null) return "-";
  const range =
    interval === null ? "" : ` [${tellNumber(interval.low)}, ${tellNumber(interval.high)}]`;
  return `${tellNumber(value)}${range}${unit === "" ? "" : ` ${unit}`}`;
}

function tellNumber(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function tellNotes(v: Verdict): string {
  const several =
    v.machines.length > 1 ? [`  runs of several machines: ${v.machines.join("; ")}`] : [];
  const lines = [
    `${v.slug}: ${v.title}: ${v.verdict}: ${v.reason}`,
    ...(v.folders.length === 0 ? [] : [`  runs: ${v.folders.join(", ")}`]),
    ...(v.leftOut.length === 0 ? [] : [`  left out: ${v.leftOut.join("; ")}`]),
    ...several,
    ...v.missing.map(({ command }) => `  ${command}`),
  ];
  return lines.join("\n");
}

function alignColumns(rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((cells) => (cells[column] ?? "").length)),
  );
  return rows.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
