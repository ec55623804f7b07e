"use client";

import { useQuery } from "@tanstack/react-query";
import type { Route } from "next";
import { usePathname, useRouter, useSearchParams } from "next/navigation";
import { useFallbackPoll } from "@/features/live/live-provider.tsx";
import { AppShell } from "@/features/shell/app-shell.tsx";
import { errorCode, type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
import { isTerminal } from "@/ui/run-states.ts";
import { EmptyState, ErrorState, Loading } from "@/ui/status.tsx";
import { TabPanel, Tabs } from "@/ui/tabs.tsx";
import { RunConfig } from "./run-config.tsx";
import { RunHeader } from "./run-header.tsx";
import { RunLog } from "./run-log.tsx";
import { RunNotices } from "./run-notices.tsx";
import { RunRecordTab } from "./run-record.tsx";
import { RunResults } from "./run-results.tsx";

export type RunDetail = RouterOutputs["run"]["get"];

const TABS = [
  { value: "results", title: "Results" },
  { value: "log", title: "Log" },
  { value: "config", title: "Config" },
  { value: "record", title: "Machine and record" },
];

/** One run: what it is doing, what it found, and how to do it again. */
export function RunPage({ projectId, runId }: { projectId: string; runId: string }) {
  return (
    <AppShell projectId={projectId}>{() => <Run projectId={projectId} runId={runId} />}</AppShell>
  );
}

function Run({ projectId, runId }: { projectId: string; runId: string }) {
  const trpc = useTRPC();
  const poll = useFallbackPoll();
  const run = useQuery(trpc.run.get.queryOptions({ runId }, { refetchInterval: poll }));
  const [tab, setTab] = useTab();
  if (run.isPending) return <Loading lines={8} label="Loading the run" />;
  if (run.isError) {
    if (errorCode(run.error) === "NOT_FOUND") {
      return (
        <EmptyState title="There is no such run here">
          It may have been removed, or the address is mistyped.
        </EmptyState>
      );
    }
    return <ErrorState error={run.error} onRetry={() => void run.refetch()} />;
  }
  const props = { run: run.data, isLive: !isTerminal(run.data.state) };
  return (
    <>
      <RunHeader run={run.data} projectId={projectId} />
      <RunNotices run={run.data} />
      <Tabs value={tab} onChange={setTab} label="Parts of the run" tabs={TABS}>
        <TabPanel value="results">
          <RunResults {...props} />
        </TabPanel>
        <TabPanel value="log">
          <RunLog {...props} />
        </TabPanel>
        <TabPanel value="config">
          <RunConfig run={run.data} projectId={projectId} />
        </TabPanel>
        <TabPanel value="record">
          <RunRecordTab run={run.data} />
        </TabPanel>
      </Tabs>
    </>
  );
}

/** The open tab, which lives in the URL. */
function useTab(): [string, (tab: string) => void] {
  const params = useSearchParams();
  const path = usePathname();
  const router = useRouter();
  const wanted = params.get("tab") ?? "";
  const tab = TABS.some(({ value }) => value === wanted) ? wanted : "results";
  const open = (next: string) =>
    router.replace((next === "results" ? path : `${path}?tab=${next}`) as Route, { scroll: false });
  return [tab, open];
}
