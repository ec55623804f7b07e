"use client";

import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
import { ErrorState, Loading, messageOf } from "@/ui/status.tsx";
import { Welcome } from "./welcome.tsx";

export type Session = RouterOutputs["session"]["me"];
export type SignedIn = Session & { user: NonNullable<Session["user"]> };

/** Who is signed in, and in which organisations with which role. */
export function useSession() {
  const trpc = useTRPC();
  return useQuery(trpc.session.me.queryOptions(undefined, { staleTime: 60_000 }));
}

/** Shows the page to signed-in people and the welcome to everyone else, at the same address. */
export function SessionGate({ children }: { children: (session: SignedIn) => ReactNode }) {
  const session = useSession();
  if (session.isPending) return <Loading label="Loading your session" />;
  if (session.isError) {
    return (
      <main>
        <ErrorState
          what="The server did not answer"
          error={new Error(messageOf(session.error))}
          onRetry={() => void session.refetch()}
        />
      </main>
    );
  }
  const { user } = session.data;
  if (user === null) return <Welcome localMode={session.data.localMode} />;
  return children({ ...session.data, user });
}
