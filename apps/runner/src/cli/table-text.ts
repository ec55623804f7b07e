import type { TableSeries } from "@fmlab/experiment";
import { shortNumber } from "./terminal.ts";

/** Most characters of one cell; longer ones end in an ellipsis. */
const CELL_CHARACTERS_MAX = 72;

/** A table series as aligned text: titles with units, then the rows; numbers to the right. */
export function tableText({ columns, rows }: TableSeries): string {
  const titles = columns.map(({ title, unit }) => (unit === "" ? title : `${title} (${unit})`));
  const cells = rows.map((row) => columns.map(({ key }) => cellText(row[key] ?? null)));
  const widths = columns.map((_, i) =>
    Math.max(...[titles, ...cells].map((line) => line[i]?.length ?? 0)),
  );
  return [titles, ...cells]
    .map((line) =>
      line
        .map((cell, i) =>
          columns[i]?.type === "number"
            ? cell.padStart(widths[i] ?? 0)
            : cell.padEnd(widths[i] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function cellText(value: string | number | null): string {
  if (value === null) return "-";
  const text = typeof value === "number" ? shortNumber(value) : value;
  return text.length > CELL_CHARACTERS_MAX ? `${text.slice(0, CELL_CHARACTERS_MAX - 3)}...` : text;
}
