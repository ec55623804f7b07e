"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { groupExperiments } from "@/features/launch/experiment-groups.ts";
import { routes } from "@/features/shell/routes.ts";
import { useTRPC } from "@/trpc/client.tsx";
import { Button } from "@/ui/button.tsx";
import { Panel } from "@/ui/panel.tsx";
import { EmptyState, ErrorState, Loading } from "@/ui/status.tsx";

/** Every experiment with its Launch button; what each asks is told on the page of experiments. */
export function LaunchList({ projectId }: { projectId: string }) {
  const trpc = useTRPC();
  const experiments = useQuery(trpc.experiment.list.queryOptions());
  const isFirst = ({ kind }: { kind: string }) => kind === experiments.data?.[0]?.kind;
  return (
    <Panel title="Experiments" flush>
      {experiments.isPending ? (
        <Loading />
      ) : experiments.isError ? (
        <ErrorState error={experiments.error} onRetry={() => void experiments.refetch()} />
      ) : experiments.data.length === 0 ? (
        <EmptyState title="No experiment is registered" />
      ) : (
        groupExperiments(experiments.data).map((group) => (
          <section key={group.name} aria-labelledby={`home-${group.name}`}>
            <h3
              id={`home-${group.name}`}
              className="border-y border-line bg-raised px-4 py-1 text-xs text-muted"
            >
              {group.title}
            </h3>
            <ul>
              {group.experiments.map((experiment) => (
                <li
                  key={experiment.kind}
                  title={experiment.question}
                  className="flex items-center gap-3 px-4 py-1"
                >
                  <span className="min-w-0 flex-1">{experiment.title}</span>
                  <Button
                    asChild
                    size="small"
                    variant={isFirst(experiment) ? "primary" : "outline"}
                  >
                    <Link href={routes.launch(projectId, experiment.kind)}>
                      Launch<span className="sr-only"> {experiment.title}</span>
                    </Link>
                  </Button>
                </li>
              ))}
            </ul>
          </section>
        ))
      )}
    </Panel>
  );
}
