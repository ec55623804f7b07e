"use client";

import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { useTRPCClient } from "@/trpc/client.tsx";
import { isAffected } from "./affected-queries.ts";
import { batchEvents } from "./batch-events.ts";
import type { Locks } from "./leader.ts";
import { type Connect, joinFeed, type LiveEvent, type LiveStatus } from "./live-feed.ts";

/** How often screens are brought up to date while events stream in, ms (chosen: calm, yet live). */
const REFRESH_MS = 400;

const StatusContext = createContext<LiveStatus>("connecting");

/** How the browser's event stream is doing. */
export const useLiveStatus = (): LiveStatus => useContext(StatusContext);

/**
 * Milliseconds between polls of something that is changing: only while the event stream is down.
 */
export function useFallbackPoll(): number | false {
  return useLiveStatus() === "down" ? 5_000 : false;
}

/** Keeps the cached queries of an organisation up to date from its events. */
export function LiveProvider({
  organizationId,
  children,
}: {
  organizationId: string | undefined;
  children: ReactNode;
}) {
  const queryClient = useQueryClient();
  const client = useTRPCClient();
  const [status, setStatus] = useState<LiveStatus>("connecting");
  useEffect(() => {
    if (organizationId === undefined) return;
    const name = `fmlab-events:${organizationId}`;
    const batch = batchEvents<LiveEvent>(REFRESH_MS, (events) => {
      void queryClient.invalidateQueries({
        predicate: (query) => events.some((event) => isAffected(query.queryKey, event)),
      });
    });
    let wasDown = false;
    const leave = joinFeed({
      name,
      // Missing on pages over plain http that are not on this machine.
      locks: navigator.locks as Locks | undefined,
      channel: new BroadcastChannel(name),
      connect: connectTo(client, organizationId),
      onEvent: batch.add,
      onStatus: (next) => {
        setStatus(next);
        // What happened while the stream was down was told to nobody.
        if (next === "live" && wasDown) void queryClient.invalidateQueries();
        wasDown = next === "down";
      },
    });
    return () => {
      leave();
      batch.stop();
    };
  }, [organizationId, queryClient, client]);
  return <StatusContext.Provider value={status}>{children}</StatusContext.Provider>;
}

type Client = ReturnType<typeof useTRPCClient>;

function connectTo(client: Client, organizationId: string): Connect {
  return ({ lastEventId, onEvent, onStatus }) => {
    const subscription = client.events.stream.subscribe(
      { organizationId, lastEventId },
      {
        onData: (message) => onEvent(message.data, message.id),
        onConnectionStateChange: ({ state, error }) => {
          if (state === "pending") onStatus("live");
          else if (state === "connecting") onStatus(error === null ? "connecting" : "down");
        },
        onError: () => onStatus("down"),
      },
    );
    return () => subscription.unsubscribe();
  };
}
