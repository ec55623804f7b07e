"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import { type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
import { Button } from "@/ui/button.tsx";
import { plural } from "@/ui/format/number.ts";
import { formatDateTime } from "@/ui/format/time.ts";
import { Panel } from "@/ui/panel.tsx";
import { ScrollRegion } from "@/ui/scroll-region.tsx";
import { EmptyState, ErrorState, Loading } from "@/ui/status.tsx";

type AuditRow = RouterOutputs["audit"]["list"]["rows"][number];

/** Who did what, newest first. */
export function AuditTab({ organizationId }: { organizationId: string }) {
  const trpc = useTRPC();
  const audit = useInfiniteQuery(
    trpc.audit.list.infiniteQueryOptions(
      { organizationId, limit: 100 },
      { getNextPageParam: (page) => page.nextCursor, staleTime: 0 },
    ),
  );
  if (audit.isPending) return <Loading lines={8} />;
  if (audit.isError) {
    return <ErrorState error={audit.error} onRetry={() => void audit.refetch()} />;
  }
  const rows = audit.data.pages.flatMap((page) => page.rows);
  if (rows.length === 0) return <EmptyState title="Nothing has been recorded yet" />;
  return (
    <Panel title="Audit" help="Every change, written together with what it changed." flush>
      <ScrollRegion label="Audit events" className="overflow-x-auto">
        <table className="w-full min-w-[46rem] border-collapse">
          <thead className="text-left text-xs text-muted">
            <tr>
              {["When", "Who", "Action", "What", "Details"].map((name) => (
                <th key={name} scope="col" className="px-4 py-2 font-medium">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <AuditLine key={row.id} row={row} />
            ))}
          </tbody>
        </table>
      </ScrollRegion>
      <div className="flex items-center gap-3 border-t border-line px-4 py-2 text-xs text-muted">
        {plural(rows.length, "event")} shown
        {audit.hasNextPage && (
          <Button
            size="small"
            disabled={audit.isFetchingNextPage}
            onClick={() => void audit.fetchNextPage()}
          >
            Show older
          </Button>
        )}
      </div>
    </Panel>
  );
}

function AuditLine({ row }: { row: AuditRow }) {
  const details = [
    row.before === null ? "" : `before ${JSON.stringify(row.before)}`,
    row.after === null ? "" : `after ${JSON.stringify(row.after)}`,
  ]
    .filter((part) => part !== "")
    .join(" ");
  return (
    <tr className="border-t border-line align-top">
      <td className="px-4 py-1.5 whitespace-nowrap">{formatDateTime(row.at)}</td>
      <td className="px-4 py-1.5 whitespace-nowrap">
        {row.actorName ?? row.actorKind}
        {row.actorKind === "token" && <span className="text-muted"> (token)</span>}
      </td>
      <td className="px-4 py-1.5 whitespace-nowrap">{row.action}</td>
      <td className="px-4 py-1.5 font-mono text-xs" title={row.resourceId}>
        {row.resourceType} {row.resourceId.slice(-6)}
      </td>
      <td className="max-w-96 truncate px-4 py-1.5 font-mono text-xs text-muted" title={details}>
        {details}
      </td>
    </tr>
  );
}
