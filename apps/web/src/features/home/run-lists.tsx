"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useFallbackPoll } from "@/features/live/live-provider.tsx";
import { runTitle, shortId } from "@/features/runs/run-name.tsx";
import { routes } from "@/features/shell/routes.ts";
import { type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
import { FidelityBadge, StateBadge } from "@/ui/badges.tsx";
import { plural } from "@/ui/format/number.ts";
import { Panel } from "@/ui/panel.tsx";
import { Progress } from "@/ui/progress.tsx";
import { EmptyState, ErrorState, Loading } from "@/ui/status.tsx";
import { Ago, Elapsed } from "@/ui/time.tsx";

type RunRow = RouterOutputs["run"]["list"]["rows"][number];

const SHOWN = ["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"] as const;
/** States told together with another one. */
const WITH: Record<string, readonly ("CLAIMED" | "CANCELLING" | "TIMED_OUT")[]> = {
  RUNNING: ["CLAIMED", "CANCELLING"],
  FAILED: ["TIMED_OUT"],
};

function useStats(projectId: string) {
  const trpc = useTRPC();
  const poll = useFallbackPoll();
  return useQuery(trpc.run.stats.queryOptions({ projectId }, { refetchInterval: poll }));
}

/** How many runs are in each state; each count leads to them. */
export function StateCounts({ projectId }: { projectId: string }) {
  const stats = useStats(projectId);
  return (
    <ul
      aria-label="Runs by state"
      className="grid grid-cols-3 overflow-hidden rounded-lg border border-line bg-panel sm:grid-cols-5"
    >
      {SHOWN.map((state) => {
        const states = [state, ...(WITH[state] ?? [])];
        const byState = stats.data?.byState;
        const count = byState && states.reduce((sum, name) => sum + byState[name], 0);
        return (
          <li key={state}>
            <Link
              href={routes.runs(projectId, `state=${states.join(",")}`)}
              className="block px-4 py-2.5 -outline-offset-2 hover:bg-raised"
            >
              <StateBadge state={state} className="text-xs" />
              <span className="block text-lg font-semibold">
                {count?.toLocaleString("en-US") ?? "–"}
              </span>
            </Link>
          </li>
        );
      })}
    </ul>
  );
}

/** What is running now, with its progress. */
export function RunningRuns({ projectId }: { projectId: string }) {
  const stats = useStats(projectId);
  const shown = stats.data?.running.length ?? 0;
  const running = ["RUNNING", ...(WITH.RUNNING ?? [])] as const;
  const byState = stats.data?.byState;
  const count = byState === undefined ? 0 : running.reduce((sum, name) => sum + byState[name], 0);
  return (
    <Panel
      title="Running now"
      flush
      actions={
        count > shown && (
          <Link
            href={routes.runs(projectId, `state=${running.join(",")}`)}
            className="text-xs underline underline-offset-2"
          >
            The newest {shown} of {plural(count, "run")}
          </Link>
        )
      }
    >
      {stats.isPending ? (
        <Loading lines={2} />
      ) : stats.isError ? (
        <ErrorState error={stats.error} onRetry={() => void stats.refetch()} />
      ) : stats.data.running.length === 0 ? (
        <p className="px-4 py-5 text-muted">Nothing is running.</p>
      ) : (
        <RunList runs={stats.data.running} projectId={projectId} />
      )}
    </Panel>
  );
}

/** The latest runs. */
export function RecentRuns({ projectId }: { projectId: string }) {
  const trpc = useTRPC();
  const poll = useFallbackPoll();
  const recent = useQuery(
    trpc.run.list.queryOptions({ projectId, limit: 12 }, { refetchInterval: poll }),
  );
  return (
    <Panel
      title="Recent runs"
      flush
      actions={
        <Link href={routes.runs(projectId)} className="text-xs underline underline-offset-2">
          All runs
        </Link>
      }
    >
      {recent.isPending ? (
        <Loading />
      ) : recent.isError ? (
        <ErrorState error={recent.error} onRetry={() => void recent.refetch()} />
      ) : recent.data.rows.length === 0 ? (
        <EmptyState title="No runs yet">Launch an experiment; its runs appear here.</EmptyState>
      ) : (
        <RunList runs={recent.data.rows} projectId={projectId} />
      )}
    </Panel>
  );
}

function RunList({ runs, projectId }: { runs: RunRow[]; projectId: string }) {
  return (
    <ul className="divide-y divide-line">
      {runs.map((run) => (
        <li key={run.id}>
          <Link
            href={routes.run(projectId, run.id)}
            className="grid grid-cols-[7rem_minmax(0,1fr)_auto] items-center gap-x-3 px-4 py-2 -outline-offset-2 hover:bg-raised"
          >
            <StateBadge state={run.state} />
            <span className="min-w-0">
              <span className="flex min-w-0 items-center gap-2">
                <span className="truncate font-medium">{runTitle(run)}</span>
                <span className="hidden shrink-0 sm:block">
                  <FidelityBadge fidelity={run.fidelity} />
                </span>
              </span>
              <span className="block truncate text-xs text-muted">
                {run.kind} · seed {run.seed} · <span className="font-mono">{shortId(run.id)}</span>
              </span>
              {run.finishedAt === null && run.progress.total > 0 && <Progress {...run.progress} />}
            </span>
            <span className="text-right text-xs">
              <Elapsed start={run.startedAt} end={run.finishedAt} />
              <span className="block text-muted">
                <Ago at={run.createdAt} />
              </span>
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
