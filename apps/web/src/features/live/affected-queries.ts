import type { LiveEvent } from "./live-feed.ts";

/** Queries about one run, and the changes after which each is out of date. */
const OF_RUN: Record<string, readonly string[]> = {
  "run.get": ["state", "progress", "metrics", "created"],
  "run.metrics": ["metrics", "state"],
  "run.logs": ["logs", "state"],
  "run.series": ["series", "state"],
  "run.seriesNames": ["series", "state"],
  "run.artifacts": ["state", "series", "artifacts"],
};

/** Queries about a whole project. */
const OF_PROJECT: Record<string, readonly string[]> = {
  "run.list": ["state", "progress", "metrics", "created"],
  "run.stats": ["state", "progress", "created"],
  "run.metricKeys": ["state"],
  "project.list": ["created"],
};

/** Queries about the organisation. */
const OF_ORGANIZATION: Record<string, readonly string[]> = {
  "machine.list": ["state"],
};

/**
 * True when an event makes a cached query out of date.
 *
 * @param queryKey a tRPC query key: `[["run", "get"], { input: { runId } }]`
 */
export function isAffected(queryKey: readonly unknown[], event: LiveEvent): boolean {
  const path = Array.isArray(queryKey[0]) ? queryKey[0].join(".") : "";
  const options = queryKey[1] as { input?: { runId?: string; projectId?: string } } | undefined;
  const touched = (changes: readonly string[] | undefined) =>
    changes?.some((change) => event.what.includes(change)) ?? false;
  if (path in OF_RUN) return options?.input?.runId === event.runId && touched(OF_RUN[path]);
  if (path in OF_PROJECT) {
    const projectId = options?.input?.projectId;
    return (projectId === undefined || projectId === event.projectId) && touched(OF_PROJECT[path]);
  }
  return touched(OF_ORGANIZATION[path]);
}
