"use client";

import { experiments } from "@fmlab/registry";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useFallbackPoll } from "@/features/live/live-provider.tsx";
import { type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
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

/** The metrics that can be columns, and those that are. */
export function useMetricColumns(projectId: string, chosen: string[] | null) {
  const trpc = useTRPC();
  const keys = useQuery(trpc.run.metricKeys.queryOptions({ projectId }));
  const known = useMemo(() => new Map((keys.data ?? []).map((row) => [row.key, row])), [keys.data]);
  const columns = useMemo(
    () => chosen ?? headlines(keys.data ?? []).map((row) => row.key),
    [chosen, keys.data],
  );
  return { keys, known, columns, isReady: chosen !== null || !keys.isPending };
}

/**
 * The metrics that experiments call their headlines, in their order, as far as any run has them.
 */
function headlines(rows: readonly MetricKeyRow[]): MetricKeyRow[] {
  const order = [...experiments.values()].flatMap(({ metrics }) => Object.keys(metrics));
  return rows
    .filter((row) => row.headline && !row.key.includes("{"))
    .sort((a, b) => order.indexOf(a.key) - order.indexOf(b.key))
    .slice(0, HEADLINES_MAX);
}
