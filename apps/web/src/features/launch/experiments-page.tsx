"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { AppShell } from "@/features/shell/app-shell.tsx";
import { routes } from "@/features/shell/routes.ts";
import { type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
import { Tag } from "@/ui/badges.tsx";
import { Button } from "@/ui/button.tsx";
import { PageHeader } from "@/ui/panel.tsx";
import { EmptyState, ErrorState, Loading } from "@/ui/status.tsx";
import { groupExperiments } from "./experiment-groups.ts";
import { PaperLink } from "./paper-link.tsx";

type Experiment = RouterOutputs["experiment"]["list"][number];

/** Every experiment that can be launched, by package. */
export function ExperimentsPage({ projectId }: { projectId: string }) {
  return <AppShell projectId={projectId}>{() => <Experiments projectId={projectId} />}</AppShell>;
}

function Experiments({ projectId }: { projectId: string }) {
  const trpc = useTRPC();
  const experiments = useQuery(trpc.experiment.list.queryOptions());
  return (
    <>
      <PageHeader
        title="Experiments"
        subtitle="Each asks one question. Choose one, fill in its form, launch."
      />
      {experiments.isPending ? (
        <Loading />
      ) : experiments.isError ? (
        <ErrorState error={experiments.error} onRetry={() => void experiments.refetch()} />
      ) : experiments.data.length === 0 ? (
        <EmptyState title="No experiment is registered">
          Add a research package's definitions to packages/registry.
        </EmptyState>
      ) : (
        <div className="flex flex-col gap-6">
          {groupExperiments(experiments.data).map((group) => (
            <section key={group.name} aria-labelledby={`group-${group.name}`}>
              <h2 id={`group-${group.name}`} className="mb-2 font-semibold">
                {group.title}
              </h2>
              <ul className="grid gap-3 xl:grid-cols-2">
                {group.experiments.map((experiment) => (
                  <ExperimentCard key={experiment.kind} {...{ experiment, projectId }} />
                ))}
              </ul>
            </section>
          ))}
        </div>
      )}
    </>
  );
}

function ExperimentCard({ experiment, projectId }: { experiment: Experiment; projectId: string }) {
  return (
    <li className="flex flex-col gap-2 rounded-lg border border-line bg-panel p-4">
      <div className="flex flex-wrap items-center gap-2">
        <h3 className="font-semibold">{experiment.title}</h3>
        <span className="font-mono text-xs text-muted">{experiment.kind}</span>
        <Button asChild variant="primary" size="small" className="ml-auto">
          <Link href={routes.launch(projectId, experiment.kind)}>
            Launch<span className="sr-only"> {experiment.title}</span>
          </Link>
        </Button>
      </div>
      <p className="text-muted">{experiment.question}</p>
      <div className="mt-auto flex flex-wrap items-center gap-1.5 pt-1">
        {experiment.presets.map((preset) => (
          <Link
            key={preset.name}
            href={routes.launch(projectId, experiment.kind, { preset: preset.name })}
            title={preset.description}
            className="rounded border border-line px-1.5 text-xs hover:bg-raised"
          >
            {preset.title}
          </Link>
        ))}
        <span className="ml-auto flex items-center gap-2 text-xs text-muted">
          <PaperLink paper={experiment.paper} />
          <Tag title="Version of the experiment's definition">v{experiment.version}</Tag>
        </span>
      </div>
    </li>
  );
}
