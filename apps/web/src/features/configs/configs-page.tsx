"use client";

import { useQuery } from "@tanstack/react-query";
import type { Route } from "next";
import Link from "next/link";
import { usePathname, useRouter, useSearchParams } from "next/navigation";
import { AppShell } from "@/features/shell/app-shell.tsx";
import { routes } from "@/features/shell/routes.ts";
import { type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
import { Button } from "@/ui/button.tsx";
import { plural } from "@/ui/format/number.ts";
import { PageHeader, Panel } from "@/ui/panel.tsx";
import { EmptyState, ErrorState, Loading } from "@/ui/status.tsx";
import { Ago } from "@/ui/time.tsx";
import { ConfigHistory } from "./config-history.tsx";

export type SavedConfig = RouterOutputs["config"]["list"][number];

/** Named configs, their immutable revisions, and what changed between two of them. */
export function ConfigsPage({ projectId }: { projectId: string }) {
  return <AppShell projectId={projectId}>{() => <Configs projectId={projectId} />}</AppShell>;
}

function Configs({ projectId }: { projectId: string }) {
  const trpc = useTRPC();
  const configs = useQuery(trpc.config.list.queryOptions({ projectId }));
  const params = useSearchParams();
  const path = usePathname();
  const router = useRouter();
  const chosen = configs.data?.find((c) => c.id === params.get("config")) ?? configs.data?.[0];
  return (
    <>
      <PageHeader
        title="Configs"
        subtitle="A named config is a history of revisions, and a revision never changes."
      />
      {configs.isPending ? (
        <Loading />
      ) : configs.isError ? (
        <ErrorState error={configs.error} onRetry={() => void configs.refetch()} />
      ) : chosen === undefined ? (
        <EmptyState
          title="No config has been saved yet"
          action={
            <Button asChild>
              <Link href={routes.launchList(projectId)}>Choose an experiment</Link>
            </Button>
          }
        >
          Fill in an experiment&apos;s form and press Save: the config gets a name and can be
          launched again from here.
        </EmptyState>
      ) : (
        <div className="grid items-start gap-4 lg:grid-cols-[18rem_minmax(0,1fr)]">
          <ConfigList
            configs={configs.data}
            chosen={chosen}
            onChoose={(id) => router.replace(`${path}?config=${id}` as Route, { scroll: false })}
          />
          <ConfigHistory key={chosen.id} config={chosen} projectId={projectId} />
        </div>
      )}
    </>
  );
}

function ConfigList({
  configs,
  chosen,
  onChoose,
}: {
  configs: SavedConfig[];
  chosen: SavedConfig;
  onChoose: (id: string) => void;
}) {
  return (
    <Panel title="Saved" flush>
      <ul className="divide-y divide-line">
        {configs.map((config) => (
          <li key={config.id}>
            <button
              type="button"
              aria-current={config.id === chosen.id}
              onClick={() => onChoose(config.id)}
              className="block w-full px-4 py-2 text-left -outline-offset-2 hover:bg-raised aria-[current=true]:bg-accent-soft"
            >
              <span className="block truncate font-medium">{config.name}</span>
              <span className="block truncate text-xs text-muted">
                {config.kind} · {plural(config.revisionCount, "revision")} ·{" "}
                <Ago at={config.latest.createdAt} />
              </span>
            </button>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
