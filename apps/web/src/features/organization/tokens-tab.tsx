"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { toast } from "sonner";
import { type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
import { Tag } from "@/ui/badges.tsx";
import { Button } from "@/ui/button.tsx";
import { formatDate } from "@/ui/format/time.ts";
import { Panel } from "@/ui/panel.tsx";
import { EmptyState, ErrorState, Loading } from "@/ui/status.tsx";
import { Ago } from "@/ui/time.tsx";
import { NewTokenForm } from "./new-token-form.tsx";

type Token = RouterOutputs["token"]["list"][number];

/** Tokens for agents and the command line. */
export function TokensTab({ organizationId, role }: { organizationId: string; role: string }) {
  const trpc = useTRPC();
  const tokens = useQuery(trpc.token.list.queryOptions({ organizationId }));
  return (
    <div className="flex max-w-4xl flex-col gap-4">
      <NewTokenForm organizationId={organizationId} role={role} />
      <Panel title="Tokens" flush>
        {tokens.isPending ? (
          <Loading />
        ) : tokens.isError ? (
          <ErrorState error={tokens.error} onRetry={() => void tokens.refetch()} />
        ) : tokens.data.length === 0 ? (
          <EmptyState title="No token yet">
            An agent token lets a machine take runs; a command-line token acts as you.
          </EmptyState>
        ) : (
          <ul className="divide-y divide-line">
            {tokens.data.map((token) => (
              <TokenRow key={token.id} token={token} organizationId={organizationId} />
            ))}
          </ul>
        )}
      </Panel>
    </div>
  );
}

function TokenRow({ token, organizationId }: { token: Token; organizationId: string }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const [sure, setSure] = useState(false);
  const revoke = useMutation(
    trpc.token.revoke.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries(trpc.token.list.pathFilter()),
      onError: (error) => toast.error(error.message),
    }),
  );
  const expired = token.expiresAt !== null && token.expiresAt.getTime() < Date.now();
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2">
      <div className="min-w-0 flex-1 basis-56">
        <p className="flex items-center gap-2">
          <span className="truncate font-medium">{token.name}</span>
          <Tag>{token.use === "agent" ? "agent" : "command line"}</Tag>
          {expired && <span className="text-xs text-bad">expired</span>}
        </p>
        <p className="text-xs text-muted">
          <code>{token.start}…</code> · {token.userName ?? "removed user"} · made{" "}
          <Ago at={token.createdAt} /> ·{" "}
          {token.lastUsedAt === null ? (
            "never used"
          ) : (
            <>
              used <Ago at={token.lastUsedAt} />
            </>
          )}
          {token.expiresAt !== null && ` · until ${formatDate(token.expiresAt)}`}
        </p>
      </div>
      <Button
        variant="danger"
        disabled={revoke.isPending}
        onBlur={() => setSure(false)}
        onClick={() =>
          sure ? revoke.mutate({ organizationId, tokenId: token.id }) : setSure(true)
        }
      >
        {sure ? "Really revoke?" : "Revoke"}
        <span className="sr-only"> {token.name}</span>
      </Button>
    </li>
  );
}
