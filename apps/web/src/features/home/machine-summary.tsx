"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { OnlineSign } from "@/features/organization/online-sign.tsx";
import { routes } from "@/features/shell/routes.ts";
import { useTRPC } from "@/trpc/client.tsx";
import { gpuInShort } from "@/ui/format/gpu.ts";
import { formatBytes, plural } from "@/ui/format/number.ts";
import { Panel } from "@/ui/panel.tsx";
import { EmptyState, ErrorState, Loading } from "@/ui/status.tsx";

/** The machines that can take runs. */
export function MachineSummary({ organizationId }: { organizationId: string }) {
  const trpc = useTRPC();
  const machines = useQuery(
    trpc.machine.list.queryOptions({ organizationId }, { refetchInterval: 15_000 }),
  );
  const online = machines.data?.filter((machine) => machine.online).length ?? 0;
  return (
    <Panel
      title="Machines"
      flush
      actions={
        <Link
          href={routes.organization(organizationId)}
          className="text-xs underline underline-offset-2"
        >
          {machines.data === undefined
            ? "All machines"
            : `${online} of ${machines.data.length} online`}
        </Link>
      }
    >
      {machines.isPending ? (
        <Loading lines={2} />
      ) : machines.isError ? (
        <ErrorState error={machines.error} onRetry={() => void machines.refetch()} />
      ) : machines.data.length === 0 ? (
        <EmptyState title="No machine has registered">
          Start a runner with <code>fmlab agent</code>; queued runs wait for it.
        </EmptyState>
      ) : (
        <ul className="divide-y divide-line">
          {machines.data.slice(0, 8).map((machine) => (
            <li key={machine.id} className="px-4 py-2">
              <p className="flex items-center gap-2">
                <OnlineSign online={machine.online} />
                <span className="min-w-0 truncate font-medium">{machine.name}</span>
                {machine.running.length > 0 && (
                  <span className="ml-auto text-xs text-muted">
                    {plural(machine.running.length, "run")}
                  </span>
                )}
              </p>
              <p className="truncate text-xs text-muted">
                {plural(machine.facts.cpuCount, "thread")}, {formatBytes(machine.facts.memoryBytes)}
                {machine.facts.gpus.map((gpu) => `, ${gpuInShort(gpu)}`).join("")}
              </p>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
