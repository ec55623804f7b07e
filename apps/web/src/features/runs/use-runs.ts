"use client";

import { experiments } from "@fmlab/registry";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useFallbackPoll } from "@/features/live/live-provider.tsx";
import { type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
import { headlineKeys, keyResults } from "./key-results.ts";
import type { RunsView } from "./runs-url.ts";

export type RunRow = RouterOutputs["run"]["list"]["rows"][number];
export type MetricKeyRow = RouterOutputs["run"]["metricKeys"][number];

const PAGE_SIZE = 100;
const HEADLINES_MAX = 5;

/** The runs a view shows, page by page as the reader scrolls. */
export function useRuns(projectId: string, view: RunsView, columns: string[], isReady: boolean) {
  const trpc = useTRPC();
  const poll = useFallbackPoll();
  const filter = {
    ...(view.search === "" ? {} : { search: view.search }),
    ...(view.states.length === 0 ? {} : { states: view.states }),
    ...(view.kinds.length === 0 ? {} : { kinds: view.kinds }),
    ...(view.launchId === null ? {} : { launchId: view.launchId }),
    ...(view.configHash === null ? {} : { configHash: view.configHash }),
  };
  return useInfiniteQuery(
    trpc.run.list.infiniteQueryOptions(
      { projectId, filter, sort: view.sort, columns, limit: PAGE_SIZE },
      {
        enabled: isReady,
        getNextPageParam: (page) => page.nextCursor,
        placeholderData: keepPreviousData,
        refetchInterval: poll,
      },
    ),
  );
}

/** Of each experiment, the metric that stands for its runs among those of others. */
export const KEY_RESULTS = keyResults(experiments.values());
const KEY_RESULT_KEYS = [...new Set([...KEY_RESULTS.values()].map(({ key }) => key))];

/**
 * The metrics that can be columns, and those that are: the chosen ones, else the headlines of the
 * experiments that are shown. Where all are shown, each run tells its own key result instead.
 */
export function useMetricColumns(projectId: string, view: Pick<RunsView, "columns" | "kinds">) {
  const trpc = useTRPC();
  const keys = useQuery(trpc.run.metricKeys.queryOptions({ projectId }));
  const known = useMemo(() => new Map((keys.data ?? []).map((row) => [row.key, row])), [keys.data]);
  const { columns: chosen, kinds } = view;
  const columns = useMemo(() => {
    if (chosen !== null) return chosen;
    const shown = kinds.flatMap((kind) => experiments.get(kind) ?? []);
    return headlineKeys(shown)
      .filter((key) => known.has(key))
      .slice(0, HEADLINES_MAX);
  }, [chosen, kinds, known]);
  const hasKeyResult = chosen === null && kinds.length === 0;
  return {
    keys,
    known,
    columns,
    hasKeyResult,
    /** What the rows must hold. */
    loaded: hasKeyResult ? KEY_RESULT_KEYS : columns,
    isReady: chosen !== null || !keys.isPending,
  };
}
