"use client";

import { useSearchParams } from "next/navigation";
import { Suspense } from "react";
import { AppShell, type Place } from "@/features/shell/app-shell.tsx";
import { PageHeader } from "@/ui/panel.tsx";
import { EmptyState, Loading } from "@/ui/status.tsx";
import { LaunchList } from "./launch-list.tsx";
import { MachineSummary } from "./machine-summary.tsx";
import { RecentRuns, RunningRuns, StateCounts } from "./run-lists.tsx";

/** The start page: the welcome, or for signed-in people what is going on. */
export function HomePage() {
  return (
    <Suspense fallback={<Loading />}>
      <Home />
    </Suspense>
  );
}

function Home() {
  const wanted = useSearchParams().get("project");
  return (
    <AppShell {...(wanted === null ? {} : { projectId: wanted })}>
      {(place) => <Overview place={place} />}
    </AppShell>
  );
}

function Overview({ place }: { place: Place }) {
  const { project, organizationId } = place;
  if (project === undefined || organizationId === undefined) {
    return (
      <EmptyState title="You are in no project yet">
        {place.session.organizations.length === 0
          ? "Ask an admin of an organisation to add you by your email address."
          : "Make a project with the menu at the top left; runs live in projects."}
      </EmptyState>
    );
  }
  return (
    <>
      <PageHeader title={project.name} subtitle={project.organizationName} />
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
        <div className="flex min-w-0 flex-col gap-4">
          <StateCounts projectId={project.id} />
          <RunningRuns projectId={project.id} />
          <RecentRuns projectId={project.id} />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <LaunchList projectId={project.id} />
          <MachineSummary organizationId={organizationId} />
        </div>
      </div>
    </>
  );
}
