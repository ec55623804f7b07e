"use client";

import { useQuery } from "@tanstack/react-query";
import { AppShell } from "@/features/shell/app-shell.tsx";
import { type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
import { ErrorState, Loading } from "@/ui/status.tsx";
import type { Origin } from "./draft.ts";
import { LaunchForm } from "./launch-form.tsx";

export type ExperimentDetail = RouterOutputs["experiment"]["get"];

/** Where the form starts, by the address. */
export interface StartFrom {
  preset?: string;
  /** A run to clone. */
  from?: string;
  /** A saved config's revision. */
  revision?: string;
}

interface LaunchProps {
  projectId: string;
  kind: string;
  start: StartFrom;
}

/** The launch form of one experiment. */
export function LaunchPage(props: LaunchProps) {
  return (
    <AppShell projectId={props.projectId}>
      {({ project }) => <Launch {...props} role={project?.role ?? "viewer"} />}
    </AppShell>
  );
}

function Launch({ projectId, kind, start, role }: LaunchProps & { role: string }) {
  const trpc = useTRPC();
  const experiment = useQuery(trpc.experiment.get.queryOptions({ projectId, kind }));
  const origin = useOrigin(start, experiment.data);
  const failed = [experiment, origin].find((query) => query.error !== null);
  if (failed !== undefined) {
    return (
      <ErrorState
        what="The form could not be opened"
        error={failed.error}
        onRetry={() => void experiment.refetch()}
      />
    );
  }
  if (experiment.data === undefined || origin.data === undefined) return <Loading lines={8} />;
  return (
    <LaunchForm
      key={`${kind} ${JSON.stringify(start)}`}
      {...{ projectId, role }}
      experiment={experiment.data}
      origin={origin.data}
    />
  );
}

/** The config the form starts with, and where it comes from. */
function useOrigin(
  start: StartFrom,
  experiment: ExperimentDetail | undefined,
): { data: Origin | undefined; error: unknown } {
  const trpc = useTRPC();
  const run = useQuery(
    trpc.run.get.queryOptions({ runId: start.from ?? "" }, { enabled: start.from !== undefined }),
  );
  const revision = useQuery(
    trpc.config.revision.queryOptions(
      { revisionId: start.revision ?? "" },
      { enabled: start.from === undefined && start.revision !== undefined },
    ),
  );
  if (start.from !== undefined) {
    const data = run.data;
    const origin: Origin | undefined = data && {
      config: data.config,
      preset: null,
      revision: null,
      seed: data.seed,
      label: `run ${data.id.slice(-6)}`,
    };
    return { data: origin, error: run.error };
  }
  if (start.revision !== undefined) {
    const data = revision.data;
    const origin: Origin | undefined = data && {
      config: data.config,
      preset: null,
      revision: {
        id: data.id,
        name: data.name,
        number: data.number,
        config: data.config,
      },
      seed: null,
      label: `${data.name}, revision ${data.number}`,
    };
    return { data: origin, error: revision.error };
  }
  return { data: experiment && presetOrigin(experiment, start.preset), error: null };
}

function presetOrigin(experiment: ExperimentDetail, wanted: string | undefined): Origin {
  const names = Object.keys(experiment.presets);
  const name =
    wanted !== undefined && names.includes(wanted)
      ? wanted
      : (names.find((n) => experiment.presets[n]?.everywhere) ?? names[0] ?? null);
  const preset = name === null ? undefined : experiment.presets[name];
  return {
    config: preset?.config ?? experiment.defaults,
    preset: name,
    revision: null,
    seed: null,
    label: null,
  };
}
