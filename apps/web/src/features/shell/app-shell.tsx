"use client";

import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect } from "react";
import { LiveProvider } from "@/features/live/live-provider.tsx";
import { SessionGate, type SignedIn } from "@/features/session/session.tsx";
import { type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
import { EmptyState, ErrorState, Loading } from "@/ui/status.tsx";
import { rememberProject, useRememberedProject } from "./current-project.ts";
import { Navigation } from "./navigation.tsx";

export type Project = RouterOutputs["project"]["list"][number];

/** Where a page stands: its project and organisation, and who is looking. */
export interface Place {
  session: SignedIn;
  projects: Project[];
  project: Project | undefined;
  organizationId: string | undefined;
}

interface ShellProps {
  /** The project of the address; without it the one looked at last. */
  projectId?: string;
  organizationId?: string;
  children: (place: Place) => ReactNode;
}

/** The frame of every signed-in page: navigation, live events and the page itself. */
export function AppShell(props: ShellProps) {
  return <SessionGate>{(session) => <Framed {...props} session={session} />}</SessionGate>;
}

function Framed({
  projectId,
  organizationId,
  children,
  session,
}: ShellProps & { session: SignedIn }) {
  const trpc = useTRPC();
  const remembered = useRememberedProject();
  const projects = useQuery(trpc.project.list.queryOptions({}));
  const list = projects.data ?? [];
  const project =
    projectId !== undefined
      ? list.find((p) => p.id === projectId)
      : pick(list, organizationId, remembered);
  const organization = organizationId ?? project?.organizationId ?? session.organizations.at(0)?.id;
  const seen = projectId !== undefined && project !== undefined ? projectId : undefined;
  useEffect(() => {
    if (seen !== undefined) rememberProject(seen);
  }, [seen]);
  const place = { session, projects: list, project, organizationId: organization };
  return (
    <LiveProvider organizationId={organization}>
      <div className="flex min-h-dvh flex-col md:flex-row">
        <a
          href="#content"
          className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:m-2 focus:rounded focus:bg-panel focus:px-3 focus:py-2"
        >
          Skip to the content
        </a>
        <Navigation place={place} />
        <main id="content" className="min-w-0 flex-1 px-4 py-4 md:px-6 md:py-5">
          {projects.isPending ? (
            <Loading />
          ) : projects.isError ? (
            <ErrorState error={projects.error} onRetry={() => void projects.refetch()} />
          ) : projectId !== undefined && project === undefined ? (
            <EmptyState title="There is no such project here">
              It may have been removed, or your organisations do not include it. Choose another one
              at the top left.
            </EmptyState>
          ) : (
            children(place)
          )}
        </main>
      </div>
    </LiveProvider>
  );
}

function pick(
  projects: Project[],
  organizationId: string | undefined,
  remembered: string | null,
): Project | undefined {
  const here = projects.filter(
    (p) => organizationId === undefined || p.organizationId === organizationId,
  );
  return here.find((p) => p.id === remembered) ?? here[0];
}
