"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { routes } from "@/features/shell/routes.ts";
import { useTRPC } from "@/trpc/client.tsx";
import { Button } from "@/ui/button.tsx";
import { Panel } from "@/ui/panel.tsx";
import { EmptyState, ErrorState, Loading } from "@/ui/status.tsx";

/** Every experiment with its Launch button. */
export function LaunchList({ projectId }: { projectId: string }) {
  const trpc = useTRPC();
  const experiments = useQuery(trpc.experiment.list.queryOptions());
  return (
    <Panel title="Experiments" flush>
      {experiments.isPending ? (
        <Loading />
      ) : experiments.isError ? (
        <ErrorState error={experiments.error} onRetry={() => void experiments.refetch()} />
      ) : experiments.data.length === 0 ? (
        <EmptyState title="No experiment is registered" />
      ) : (
        <ul className="divide-y divide-line">
          {experiments.data.map((experiment, index) => (
            <li key={experiment.kind} className="flex items-start gap-3 px-4 py-2.5">
              <div className="min-w-0 flex-1">
                <p className="font-medium">{experiment.title}</p>
                <p className="text-xs text-muted">{experiment.question}</p>
              </div>
              <Button asChild size="small" variant={index === 0 ? "primary" : "outline"}>
                <Link href={routes.launch(projectId, experiment.kind)}>
                  Launch<span className="sr-only"> {experiment.title}</span>
                </Link>
              </Button>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
