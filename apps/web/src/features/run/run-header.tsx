"use client";

import Link from "next/link";
import { runTitle, shortId } from "@/features/runs/run-name.tsx";
import { routes } from "@/features/shell/routes.ts";
import { FidelityBadge, StateBadge } from "@/ui/badges.tsx";
import { Progress } from "@/ui/progress.tsx";
import { isTerminal } from "@/ui/run-states.ts";
import { Ago, Elapsed } from "@/ui/time.tsx";
import { RunActions } from "./run-actions.tsx";
import type { RunDetail } from "./run-page.tsx";

/** What the run is, how it is doing, and what can be done with it. */
export function RunHeader({ run, projectId }: { run: RunDetail; projectId: string }) {
  const sameConfig = routes.runs(projectId, `kind=${run.kind}&config=${run.configHash}`);
  return (
    <div className="mb-4 flex flex-col gap-2">
      <div className="flex flex-wrap items-start gap-x-4 gap-y-2">
        <div className="min-w-0 flex-1 basis-72">
          <p className="text-xs text-muted">
            <Link href={routes.runs(projectId)} className="hover:underline">
              Runs
            </Link>
            {" / "}
            <Link href={routes.launch(projectId, run.kind)} className="hover:underline">
              {run.definition?.title ?? run.kind}
            </Link>
            {" / "}
            <span className="font-mono">{shortId(run.id)}</span>
          </p>
          <h1 className="text-lg leading-7 font-semibold break-words">
            {runTitle(run)}
            <span className="font-normal text-muted"> · seed {run.seed}</span>
          </h1>
        </div>
        <RunActions run={run} projectId={projectId} />
      </div>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1.5">
        <span data-testid="run-state" className="inline-flex">
          <StateBadge state={run.state} className="font-medium" />
        </span>
        <FidelityBadge fidelity={run.fidelity} />
        <span>
          <span className="text-muted">Duration </span>
          <Elapsed start={run.startedAt} end={run.finishedAt} />
        </span>
        <span>
          <span className="text-muted">Created </span>
          <Ago at={run.createdAt} />
          {run.createdByName !== null && (
            <span className="text-muted"> by {run.createdByName}</span>
          )}
        </span>
        {run.machineName !== null && (
          <span>
            <span className="text-muted">Machine </span>
            {run.machineName}
          </span>
        )}
        <Link href={sameConfig} className="text-muted underline underline-offset-2 hover:text-ink">
          Runs with this config
        </Link>
        {!isTerminal(run.state) && (run.progress.total > 0 || run.progress.label !== "") && (
          <span className="w-full max-w-md">
            <Progress {...run.progress} />
          </span>
        )}
      </div>
    </div>
  );
}
