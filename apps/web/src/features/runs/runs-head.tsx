"use client";

import { ArrowDown, ArrowUp } from "lucide-react";
import { cn } from "@/ui/cn.ts";
import type { ColumnMeta } from "./runs-columns.tsx";
import { nextSort, type RunsView } from "./runs-url.ts";

/** Column heads with units; a click sorts. */
export function RunsHead({
  metas,
  sort,
  onSort,
}: {
  metas: (ColumnMeta & { id: string })[];
  sort: RunsView["sort"];
  onSort: (sort: RunsView["sort"]) => void;
}) {
  return (
    <thead className="sticky top-0 z-10 bg-panel text-xs text-muted shadow-[0_1px_0_var(--line)]">
      <tr>
        {metas.map((meta) => {
          const { sortBy } = meta;
          const isSorted = sortBy !== undefined && sort.by === sortBy;
          return (
            <th
              key={meta.id}
              scope="col"
              aria-sort={isSorted ? (sort.dir === "asc" ? "ascending" : "descending") : undefined}
              className={cn(
                "h-9 px-3 py-1 leading-4 font-medium",
                meta.align === "right" ? "text-right" : "text-left",
              )}
            >
              {sortBy === undefined ? (
                <HeadText meta={meta} />
              ) : (
                <button
                  type="button"
                  className="inline-flex max-w-full items-center gap-1 text-inherit [text-align:inherit] hover:text-ink"
                  onClick={() => onSort(nextSort(sort, sortBy, meta.first))}
                >
                  {isSorted &&
                    (sort.dir === "asc" ? (
                      <ArrowUp className="size-3 shrink-0" aria-hidden />
                    ) : (
                      <ArrowDown className="size-3 shrink-0" aria-hidden />
                    ))}
                  <HeadText meta={meta} />
                </button>
              )}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

function HeadText({ meta }: { meta: ColumnMeta }) {
  return (
    <span
      className="line-clamp-2"
      title={meta.unit === "" ? meta.title : `${meta.title} (${meta.unit})`}
    >
      {meta.title}
    </span>
  );
}
