"use client";

import { useQuery } from "@tanstack/react-query";
import { useFallbackPoll } from "@/features/live/live-provider.tsx";
import { useTRPC, useTRPCClient } from "@/trpc/client.tsx";
import { type FollowedLog, mergeLog } from "./log-lines.ts";

/** Lines fetched at first; the reader may ask for earlier ones by the download. */
const TAIL = 1_000;
const PAGE = 2_000;

/** A run's log, fetched once from its end and then only what is new. */
export function useFollowedLog(runId: string, attempt: number | undefined) {
  const client = useTRPCClient();
  const poll = useFallbackPoll();
  const chosen = attempt === undefined ? {} : { attempt };
  return useQuery<FollowedLog>({
    // The shape of a tRPC key, so that events about the run's log reach it.
    queryKey: [["run", "logs"], { input: { runId, ...chosen, follow: true }, type: "query" }],
    refetchInterval: poll,
    queryFn: async ({ client: cache, queryKey, signal }) => {
      const known = cache.getQueryData<FollowedLog>(queryKey);
      if (known === undefined || known.attempt === null) {
        return client.run.logs.query({ runId, ...chosen, tail: true, limit: TAIL }, { signal });
      }
      const next = await client.run.logs.query(
        { runId, ...chosen, afterLine: known.nextLine, limit: PAGE },
        { signal },
      );
      // Another attempt has begun: its log is read from its own end.
      if (next.attempt !== known.attempt) {
        return client.run.logs.query({ runId, ...chosen, tail: true, limit: TAIL }, { signal });
      }
      return mergeLog(known, next);
    },
  });
}

/** Lines that hold a text, found by the server in the whole log. */
export function useLogSearch(runId: string, attempt: number | undefined, search: string) {
  const trpc = useTRPC();
  return useQuery(
    trpc.run.logs.queryOptions(
      { runId, ...(attempt === undefined ? {} : { attempt }), search, limit: PAGE },
      { enabled: search !== "" },
    ),
  );
}

/** The whole log as text, fetched page by page. */
export function useLogDownload(runId: string, attempt: number | undefined) {
  const client = useTRPCClient();
  return async (): Promise<string> => {
    const lines: string[] = [];
    for (let afterLine = 0; ; ) {
      const chosen = attempt === undefined ? {} : { attempt };
      const page = await client.run.logs.query({ runId, ...chosen, afterLine, limit: PAGE });
      for (const { t, level, text } of page.lines) {
        lines.push(`${(t / 1_000).toFixed(3).padStart(10)} ${level.padEnd(5)} ${text}`);
      }
      if (page.lines.length < PAGE) return `${lines.join("\n")}\n`;
      afterLine = page.nextLine;
    }
  };
}
