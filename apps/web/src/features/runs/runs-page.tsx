"use client";

import { Play } from "lucide-react";
import Link from "next/link";
import { AppShell } from "@/features/shell/app-shell.tsx";
import { routes } from "@/features/shell/routes.ts";
import { Button } from "@/ui/button.tsx";
import { PageHeader } from "@/ui/panel.tsx";
import { EmptyState, ErrorState, Loading } from "@/ui/status.tsx";
import { RunsTable } from "./runs-table.tsx";
import { RunsToolbar } from "./runs-toolbar.tsx";
import { isFiltered } from "./runs-url.ts";
import { useMetricColumns, useRuns } from "./use-runs.ts";
import { useRunsView } from "./use-runs-view.ts";

/** Every run of a project: searched, filtered and sorted by the server. */
export function RunsPage({ projectId }: { projectId: string }) {
  return <AppShell projectId={projectId}>{() => <Runs projectId={projectId} />}</AppShell>;
}

function Runs({ projectId }: { projectId: string }) {
  const [view, change] = useRunsView();
  const metrics = useMetricColumns(projectId, view);
  const runs = useRuns(projectId, view, metrics.loaded, metrics.isReady);
  const rows = runs.data?.pages.flatMap((page) => page.rows) ?? [];
  const total = runs.data?.pages[0]?.total;
  const filtered = isFiltered(view);
  return (
    <div className="flex h-[calc(100dvh-5.5rem)] min-h-96 flex-col md:h-[calc(100dvh-2.5rem)]">
      <PageHeader
        title="Runs"
        actions={
          <Button asChild variant="primary">
            <Link href={routes.launchList(projectId)}>
              <Play aria-hidden /> Launch
            </Link>
          </Button>
        }
      />
      <RunsToolbar {...{ view, change, metrics, total }} shown={rows.length} />
      {runs.isError ? (
        <ErrorState error={runs.error} onRetry={() => void runs.refetch()} />
      ) : runs.isPending ? (
        <Loading lines={10} label="Loading runs" />
      ) : rows.length === 0 ? (
        <EmptyState
          title={filtered ? "No run matches" : "No runs yet"}
          action={
            filtered ? (
              <Button
                onClick={() =>
                  change({ search: "", states: [], kinds: [], launchId: null, configHash: null })
                }
              >
                Clear the filters
              </Button>
            ) : undefined
          }
        >
          {filtered
            ? "Change the search or the filters above."
            : "Choose an experiment and launch it; its runs appear here at once."}
        </EmptyState>
      ) : (
        <RunsTable
          {...{ projectId, rows, view, change }}
          columns={metrics.columns}
          hasKeyResult={metrics.hasKeyResult}
          known={metrics.known}
          isStale={runs.isPlaceholderData}
          hasMore={runs.hasNextPage}
          isLoadingMore={runs.isFetchingNextPage}
          loadMore={() => void runs.fetchNextPage()}
        />
      )}
    </div>
  );
}
