"use client";

import type { TableSeries } from "@fmlab/experiment";
import { Download } from "lucide-react";
import { useState } from "react";
import { Button } from "@/ui/button.tsx";
import { cn } from "@/ui/cn.ts";
import { downloadText } from "@/ui/download.ts";
import { formatNumber, MISSING, plural, shownUnit } from "@/ui/format/number.ts";
import { ScrollRegion } from "@/ui/scroll-region.tsx";
import { tableCsv } from "./table-csv.ts";

const STEP = 200;

/** Letters of a text that stays on one line; a longer one gets room for more than a word. */
const ONE_LINE = 20;
function wrapOf(text: string): string {
  if (text.length <= ONE_LINE) return "whitespace-nowrap";
  const width = text.length <= 60 ? "min-w-36" : "min-w-56";
  // Hashes and addresses have no place to break at.
  return /\S{41}/.test(text) ? `${width} [overflow-wrap:anywhere]` : width;
}

/**
 * Rows with typed columns. Long tables show their first rows and say so; the download holds all.
 */
export function TableView({ series, title }: { series: TableSeries; title: string }) {
  const [shown, setShown] = useState(STEP);
  const rows = series.rows.slice(0, shown);
  return (
    <div className="min-w-0">
      <ScrollRegion
        label={`${title}, table`}
        className="max-h-96 overflow-auto rounded-md border border-line"
      >
        <table className="w-full border-collapse text-xs">
          <thead className="sticky top-0 bg-raised">
            <tr>
              {series.columns.map((column) => (
                <th
                  key={column.key}
                  scope="col"
                  className={cn(
                    "px-2.5 py-1.5 font-medium whitespace-nowrap",
                    column.type === "number" ? "text-right" : "text-left",
                  )}
                >
                  {column.title}
                  {column.unit !== "" && (
                    <span className="font-normal text-muted"> {shownUnit(column.unit)}</span>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: rows have no name and never move
              <TableRow key={index} row={row} columns={series.columns} />
            ))}
          </tbody>
        </table>
      </ScrollRegion>
      <div className="mt-2 flex flex-wrap items-center gap-2 text-xs text-muted">
        Showing {rows.length.toLocaleString("en-US")} of {plural(series.rows.length, "row")}
        {shown < series.rows.length && (
          <Button size="small" onClick={() => setShown(shown + 5 * STEP)}>
            Show more
          </Button>
        )}
        <Button
          size="small"
          variant="quiet"
          className="ml-auto"
          onClick={() => downloadText(`${title}.csv`, tableCsv(series), "text/csv")}
        >
          <Download aria-hidden /> CSV
        </Button>
      </div>
    </div>
  );
}

function TableRow({
  row,
  columns,
}: {
  row: TableSeries["rows"][number];
  columns: TableSeries["columns"];
}) {
  return (
    <tr className="border-t border-line">
      {columns.map((column) => {
        const value = row[column.key] ?? null;
        return (
          <td
            key={column.key}
            className={cn(
              "px-2.5 py-1 align-top",
              column.type === "number" ? "text-right whitespace-nowrap" : "text-left",
              typeof value === "string" && wrapOf(value),
            )}
          >
            {typeof value === "number" ? formatNumber(value) : (value ?? MISSING)}
          </td>
        );
      })}
    </tr>
  );
}
