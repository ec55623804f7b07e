"use client";

import { useTable } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRouter } from "next/navigation";
import { useEffect, useMemo, useRef } from "react";
import { routes } from "@/features/shell/routes.ts";
import { cn } from "@/ui/cn.ts";
import { columnMeta, features, runsColumns } from "./runs-columns.tsx";
import { RunsHead } from "./runs-head.tsx";
import type { RunsView } from "./runs-url.ts";
import { useRowKeys } from "./use-row-keys.ts";
import type { MetricKeyRow, RunRow } from "./use-runs.ts";

const ROW_HEIGHT = 44;

interface RunsTableProps {
  projectId: string;
  rows: RunRow[];
  columns: string[];
  known: ReadonlyMap<string, MetricKeyRow>;
  view: RunsView;
  change: (changed: Partial<RunsView>) => void;
  isStale: boolean;
  hasMore: boolean;
  isLoadingMore: boolean;
  loadMore: () => void;
}

/** The runs, of which only the visible rows are drawn. j and k walk them, Enter opens one. */
export function RunsTable(props: RunsTableProps) {
  const { projectId, rows, known, view, change, hasMore, isLoadingMore, loadMore } = props;
  const router = useRouter();
  const scroller = useRef<HTMLElement>(null);
  const columns = useMemo(
    () => runsColumns(projectId, props.columns, known),
    [projectId, props.columns, known],
  );
  const table = useTable({ features, columns, data: rows, getRowId: (row) => row.id });
  const body = table.getRowModel().rows;
  const virtual = useVirtualizer({
    count: body.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 8,
  });
  const items = virtual.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && !isLoadingMore && lastShown >= body.length - 20) loadMore();
  }, [hasMore, isLoadingMore, lastShown, body.length, loadMore]);
  const open = (index: number) => {
    const run = rows[index];
    if (run !== undefined) router.push(routes.run(projectId, run.id));
  };
  const selected = useRowKeys({
    count: body.length,
    open,
    show: (index) => virtual.scrollToIndex(index),
  });
  const metas = table.getAllColumns().map((column) => ({
    id: column.id,
    ...columnMeta(column.id, known),
  }));
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <section
      ref={scroller}
      aria-label="Runs"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by key
      tabIndex={0}
      className="min-h-0 flex-1 overflow-auto rounded-lg border border-line bg-panel"
    >
      <table
        aria-rowcount={hasMore ? -1 : body.length + 1}
        className={cn("w-full table-fixed border-collapse", props.isStale && "opacity-60")}
        style={{ minWidth: metas.reduce((sum, meta) => sum + meta.width, 0) }}
      >
        <colgroup>
          {metas.map((meta) => (
            <col key={meta.id} style={{ width: meta.width }} />
          ))}
        </colgroup>
        <RunsHead metas={metas} sort={view.sort} onSort={(sort) => change({ sort })} />
        <tbody>
          <Spacer height={before} columns={metas.length} />
          {items.map((item) => {
            const row = body[item.index];
            if (row === undefined) return null;
            return (
              <tr
                key={row.id}
                data-run={row.id}
                aria-rowindex={item.index + 2}
                aria-selected={item.index === selected}
                onClick={() => open(item.index)}
                style={{ height: ROW_HEIGHT }}
                className="cursor-pointer border-t border-line hover:bg-raised aria-selected:bg-accent-soft"
              >
                {row.getAllCells().map((cell, at) => (
                  <td
                    key={cell.id}
                    className={cn(
                      "truncate px-3",
                      metas[at]?.align === "right" ? "text-right" : "text-left",
                    )}
                  >
                    <table.FlexRender cell={cell} />
                  </td>
                ))}
              </tr>
            );
          })}
          <Spacer height={after} columns={metas.length} />
        </tbody>
      </table>
    </section>
  );
}

/** Stands for the rows that are not drawn. */
function Spacer({ height, columns }: { height: number; columns: number }) {
  if (height <= 0) return null;
  return (
    <tr aria-hidden>
      <td colSpan={columns} style={{ height, padding: 0 }} />
    </tr>
  );
}
