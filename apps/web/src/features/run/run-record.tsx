"use client";

import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useTRPC } from "@/trpc/client.tsx";
import { StateBadge } from "@/ui/badges.tsx";
import { Button } from "@/ui/button.tsx";
import { formatBytes } from "@/ui/format/number.ts";
import { formatDateTime } from "@/ui/format/time.ts";
import { Panel } from "@/ui/panel.tsx";
import { JsonBlock, TextBlock } from "@/ui/scroll-region.tsx";
import { EmptyState, ErrorState, Loading } from "@/ui/status.tsx";
import { Elapsed } from "@/ui/time.tsx";
import { failureAdvice } from "./failure-advice.ts";
import { ReproductionPanels } from "./reproduction-panels.tsx";
import { RunNote } from "./run-note.tsx";
import type { RunDetail } from "./run-page.tsx";

/** What is needed to do the run again: machine, code, inputs, attempts, files. */
export function RunRecordTab({ run }: { run: RunDetail }) {
  const latest = [...run.attempts].reverse().find((attempt) => attempt.reproduction !== null);
  return (
    <div className="grid items-start gap-4 xl:grid-cols-2">
      {latest?.reproduction ? (
        <ReproductionPanels record={latest.reproduction} machineName={latest.machineName} />
      ) : (
        <Panel title="Machine">
          <EmptyState title="No record yet">
            The runner sends the machine, code and inputs when it starts the run.
          </EmptyState>
        </Panel>
      )}
      <Attempts attempts={run.attempts} />
      <Artifacts runId={run.id} isOver={run.finishedAt !== null} />
      <RunNote run={run} />
      {run.summary !== null && (
        <Panel title="Summary" help="What the experiment returned.">
          <JsonBlock label="Summary as JSON" value={run.summary} />
        </Panel>
      )}
    </div>
  );
}

function Attempts({ attempts }: { attempts: RunDetail["attempts"] }) {
  return (
    <Panel title="Attempts">
      {attempts.length === 0 ? (
        <EmptyState title="No machine has taken it yet" />
      ) : (
        <ol className="flex flex-col gap-3">
          {[...attempts].reverse().map((attempt) => (
            <li key={attempt.id} className="flex flex-col gap-1">
              <div className="flex flex-wrap items-center gap-x-3">
                <span className="font-medium">Attempt {attempt.number}</span>
                <StateBadge state={attempt.state} />
                <span className="text-muted">{attempt.machineName ?? "machine removed"}</span>
                <span className="ml-auto">
                  <Elapsed
                    start={attempt.startedAt ?? attempt.claimedAt}
                    end={attempt.finishedAt}
                  />
                </span>
              </div>
              <p className="text-xs text-muted">Claimed {formatDateTime(attempt.claimedAt)}</p>
              {attempt.failure !== null && (
                <div className="text-xs">
                  <p className="text-bad">
                    {failureAdvice(attempt.failure.code).title}: {attempt.failure.message}
                  </p>
                  {attempt.failure.detail !== undefined && (
                    <TextBlock label="Failure in detail" text={attempt.failure.detail} />
                  )}
                </div>
              )}
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}

function Artifacts({ runId, isOver }: { runId: string; isOver: boolean }) {
  const trpc = useTRPC();
  const artifacts = useQuery(trpc.run.artifacts.queryOptions({ runId }));
  return (
    <Panel title="Artifacts" help="Files kept with the run.">
      {artifacts.isPending ? (
        <Loading />
      ) : artifacts.isError ? (
        <ErrorState error={artifacts.error} onRetry={() => void artifacts.refetch()} />
      ) : artifacts.data.length === 0 ? (
        <EmptyState title={isOver ? "This run kept no files" : "No files yet"} />
      ) : (
        <ul className="flex flex-col gap-2">
          {artifacts.data.map((artifact) => (
            <li key={artifact.id} className="flex flex-wrap items-center gap-x-3">
              <span className="min-w-0 truncate font-medium">{artifact.name}</span>
              <span className="text-muted">{formatBytes(artifact.sizeBytes)}</span>
              <span className="text-muted">attempt {artifact.attempt}</span>
              <code className="text-xs text-muted" title={artifact.sha256}>
                sha256 {artifact.sha256.slice(0, 12)}…
              </code>
              <Button asChild size="small" className="ml-auto">
                <a href={`/api/artifacts/${artifact.id}`} download={artifact.name}>
                  <Download aria-hidden /> Download
                  <span className="sr-only"> {artifact.name}</span>
                </a>
              </Button>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
