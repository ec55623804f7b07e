"use client";

import { useSearchParams } from "next/navigation";
import { Suspense, useState } from "react";
import { AppShell, type Place } from "@/features/shell/app-shell.tsx";
import { NewOrganizationDialog } from "@/features/shell/new-organization-dialog.tsx";
import { Button } from "@/ui/button.tsx";
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
    return <NoProject isMember={place.session.organizations.length > 0} />;
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

function NoProject({ isMember }: { isMember: boolean }) {
  const [founding, setFounding] = useState(false);
  if (isMember) {
    return (
      <EmptyState title="You are in no project yet">
        Make a project with the menu at the top left; runs live in projects.
      </EmptyState>
    );
  }
  return (
    <EmptyState
      title="You are in no organisation yet"
      action={
        <Button variant="primary" onClick={() => setFounding(true)}>
          New organisation
        </Button>
      }
    >
      Ask an admin of your team's organisation to add you by your email address, or begin one.
      {founding && <NewOrganizationDialog onClose={() => setFounding(false)} />}
    </EmptyState>
  );
}
