"use client";

import { experiments } from "@fmlab/registry";
import { ClipboardCopy } from "lucide-react";
import Link from "next/link";
import { toast } from "sonner";
import { inSchemaOrder } from "@/features/launch/in-schema-order.ts";
import { PaperLink } from "@/features/launch/paper-link.tsx";
import { routes } from "@/features/shell/routes.ts";
import { Button } from "@/ui/button.tsx";
import { Facts, Panel } from "@/ui/panel.tsx";
import { TextBlock } from "@/ui/scroll-region.tsx";
import type { RunDetail } from "./run-page.tsx";

/** The exact config of a run, and where it came from. */
export function RunConfig({ run, projectId }: { run: RunDetail; projectId: string }) {
  const text = JSON.stringify(inSchemaOrder(run.kind, run.config), null, 2);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      toast.success("Config copied");
    } catch {
      toast.error("The browser did not allow copying. Select the text instead.");
    }
  };
  return (
    <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
      <Panel
        title="Config"
        actions={
          <Button size="small" variant="quiet" onClick={() => void copy()}>
            <ClipboardCopy aria-hidden /> Copy
          </Button>
        }
      >
        <TextBlock label="Config as JSON" text={text} />
      </Panel>
      <Panel title="Launch">
        <Facts
          facts={[
            ["Experiment", `${run.kind} v${run.definitionVersion}`],
            ["Paper", <PaperLink key="paper" paper={experiments.get(run.kind)?.paper} />],
            ["Preset", run.preset ?? "none"],
            ["Saved config", <RevisionLink key="revision" run={run} projectId={projectId} />],
            ["Config hash", <code key="hash">{run.configHash.slice(0, 16)}</code>],
            ["Seed", run.seed],
            ["Priority", run.priority],
            ["Time limit", `${Math.round(run.timeLimitSec / 60)} min`],
            ["Attempts", `${run.attemptCount} of at most ${run.maxAttempts}`],
          ]}
        />
      </Panel>
    </div>
  );
}

function RevisionLink({ run, projectId }: { run: RunDetail; projectId: string }) {
  if (run.configName === null || run.configName === undefined) return <span>none</span>;
  return (
    <Link href={routes.configs(projectId)} className="underline underline-offset-2">
      {run.configName} r{run.configNumber}
    </Link>
  );
}
