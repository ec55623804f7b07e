"use client";

import Link from "next/link";
import { routes } from "@/features/shell/routes.ts";
import type { RunRow } from "./use-runs.ts";

type Named = Pick<RunRow, "id" | "kind" | "preset" | "configName" | "configNumber">;

/** What tells one run from another: its config's or preset's name, the experiment, its short id. */
export function RunName({ run, projectId }: { run: Named; projectId: string }) {
  return (
    <span className="flex min-w-0 flex-col leading-4">
      <Link
        href={routes.run(projectId, run.id)}
        onClick={(event) => event.stopPropagation()}
        className="truncate font-medium hover:underline"
      >
        {runTitle(run)}
      </Link>
      <span className="flex gap-1 text-xs text-muted">
        <span className="truncate">{run.kind}</span>
        <span className="font-mono">{shortId(run.id)}</span>
      </span>
    </span>
  );
}

/** The name of the config a run used. */
export function runTitle(run: Pick<Named, "preset" | "configName" | "configNumber">): string {
  if (run.configName !== null && run.configName !== undefined) {
    return `${run.configName} r${run.configNumber}`;
  }
  return run.preset ?? "own config";
}

/** The end of a run's id: its start is a time, which near runs share. */
export const shortId = (id: string): string => id.slice(-6);
