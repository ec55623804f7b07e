"use client";

import { useTable } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRouter } from "next/navigation";
import { type ReactNode, type RefObject, useEffect, useMemo, useRef } from "react";
import { routes } from "@/features/shell/routes.ts";
import { cn } from "@/ui/cn.ts";
import { ScrollRegion } from "@/ui/scroll-region.tsx";
import { type ColumnMeta, columnMeta, features, runsColumns } from "./runs-columns.tsx";
import { RunsHead } from "./runs-head.tsx";
import type { RunsView } from "./runs-url.ts";
import { useRowKeys } from "./use-row-keys.ts";
import type { MetricKeyRow, RunRow } from "./use-runs.ts";

const ROW_HEIGHT = 44;

interface RunsTableProps {
  projectId: string;
  rows: RunRow[];
  columns: string[];
  hasKeyResult: boolean;
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
  const { projectId, rows, known, view, change, hasMore, hasKeyResult } = props;
  const router = useRouter();
  const scroller = useRef<HTMLElement>(null);
  const columns = useMemo(
    () => runsColumns(projectId, props.columns, known, hasKeyResult),
    [projectId, props.columns, known, hasKeyResult],
  );
  const table = useTable({ features, columns, data: rows, getRowId: (row) => row.id });
  const body = table.getRowModel().rows;
  const virtual = useVirtualRows(scroller, body.length, props);
  const items = virtual.getVirtualItems();
  const open = (index: number) => {
    const run = rows[index];
    if (run !== undefined) router.push(routes.run(projectId, run.id));
  };
  const show = (index: number) => virtual.scrollToIndex(index);
  const selected = useRowKeys({ count: body.length, open, show });
  const metas = table.getAllColumns().map((column) => ({
    id: column.id,
    ...columnMeta(column.id, known),
  }));
  return (
    <ScrollRegion
      ref={scroller}
      label="Runs"
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
          <Spacer height={items[0]?.start ?? 0} columns={metas.length} />
          {items.map(({ index }) => {
            const row = body[index];
            if (row === undefined) return null;
            return (
              <Row
                key={row.id}
                id={row.id}
                index={index}
                isSelected={index === selected}
                open={open}
              >
                {row.getAllCells().map((cell, at) => (
                  <td key={cell.id} className={cellClass(metas[at])}>
                    <table.FlexRender cell={cell} />
                  </td>
                ))}
              </Row>
            );
          })}
          <Spacer
            height={virtual.getTotalSize() - (items.at(-1)?.end ?? 0)}
            columns={metas.length}
          />
        </tbody>
      </table>
    </ScrollRegion>
  );
}

const cellClass = (meta: ColumnMeta | undefined): string =>
  cn("truncate px-3", meta?.align === "right" ? "text-right" : "text-left");

/** Draws what is in view, and asks for the next page before the reader reaches the end. */
function useVirtualRows(
  scroller: RefObject<HTMLElement | null>,
  count: number,
  { hasMore, isLoadingMore, loadMore }: RunsTableProps,
) {
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 8,
  });
  const lastShown = virtual.getVirtualItems().at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && !isLoadingMore && lastShown >= count - 20) loadMore();
  }, [hasMore, isLoadingMore, lastShown, count, loadMore]);
  return virtual;
}

function Row({
  id,
  index,
  isSelected,
  open,
  children,
}: {
  id: string;
  index: number;
  isSelected: boolean;
  open: (index: number) => void;
  children: ReactNode;
}) {
  return (
    <tr
      data-run={id}
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      onClick={() => open(index)}
      style={{ height: ROW_HEIGHT }}
      className="cursor-pointer border-t border-line hover:bg-raised aria-selected:bg-accent-soft"
    >
      {children}
    </tr>
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
