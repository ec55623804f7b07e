/** Writes results on stdout, so that they can be piped. */
export function out(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes remarks on stderr. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** One JSON value on stdout: what every command prints with `--json`. */
export function outJson(value: unknown): void {
  out(JSON.stringify(value));
}

/** Rows as aligned columns; numbers are aligned to the right. */
export function columns(rows: readonly (readonly (string | number)[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries())
      widths[i] = Math.max(widths[i] ?? 0, String(cell).length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) => {
          const width = widths[i] ?? 0;
          return typeof cell === "number" ? String(cell).padStart(width) : cell.padEnd(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** A number for people: up to 4 significant digits, thousands kept whole. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1_000) return value.toFixed(0);
  if (size >= 0.001) return String(Number(value.toPrecision(4)));
  return value.toExponential(2);
}

/** A duration for people. */
export function shortDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
