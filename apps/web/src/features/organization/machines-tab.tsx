"use client";

import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
import { Tag } from "@/ui/badges.tsx";
import { formatBytes, plural } from "@/ui/format/number.ts";
import { GpuList } from "@/ui/gpu-list.tsx";
import { Facts, Panel } from "@/ui/panel.tsx";
import { EmptyState, ErrorState, Loading } from "@/ui/status.tsx";
import { Ago } from "@/ui/time.tsx";
import { OnlineSign } from "./online-sign.tsx";
import { RemoveMachineButton } from "./remove-machine-button.tsx";
import { allows } from "./roles.ts";

type Machine = RouterOutputs["machine"]["list"][number];

/** Tags told before the rest is only counted. */
const TAGS_SHOWN = 12;

/** Machines whose agents have registered, and what each can do. */
export function MachinesTab({ organizationId, role }: { organizationId: string; role: string }) {
  const trpc = useTRPC();
  const machines = useQuery(
    trpc.machine.list.queryOptions({ organizationId }, { refetchInterval: 10_000 }),
  );
  if (machines.isPending) return <Loading />;
  if (machines.isError) {
    return <ErrorState error={machines.error} onRetry={() => void machines.refetch()} />;
  }
  if (machines.data.length === 0) {
    return (
      <EmptyState title="No machine has registered">
        Make an agent token under “API tokens”, then run <code>fmlab agent</code> on the machine.
      </EmptyState>
    );
  }
  return (
    <div className="grid grid-cols-1 items-start gap-4 xl:grid-cols-2">
      {machines.data.map((machine) => (
        <MachinePanel
          key={machine.id}
          machine={machine}
          actions={
            <>
              {!machine.online && allows(role, "admin") && (
                <RemoveMachineButton organizationId={organizationId} machine={machine} />
              )}
              <OnlineSign online={machine.online} />
            </>
          }
        />
      ))}
    </div>
  );
}

function MachinePanel({ machine, actions }: { machine: Machine; actions: ReactNode }) {
  const { facts, capabilities } = machine;
  return (
    <Panel title={machine.name} actions={actions}>
      <Facts
        facts={[
          ["Last seen", <Ago key="seen" at={machine.lastSeenAt} />],
          ["CPU", `${facts.cpuModel}, ${plural(facts.cpuCount, "thread")}`],
          ["Memory", formatBytes(facts.memoryBytes)],
          ["GPU", <GpuList key="gpus" gpus={facts.gpus} />],
          ["System", `${facts.platform} ${facts.arch}, ${facts.kernel}`],
          [
            "Running",
            machine.running.length === 0
              ? "nothing"
              : machine.running.map((run) => run.kind).join(", "),
          ],
          [
            "Offers",
            <span key="tags" className="flex flex-wrap gap-1">
              {capabilities.slice(0, TAGS_SHOWN).map((tag) => (
                <Tag key={tag} className="h-auto max-w-full break-all whitespace-normal">
                  {tag}
                </Tag>
              ))}
              {capabilities.length > TAGS_SHOWN && (
                <span className="text-muted">and {capabilities.length - TAGS_SHOWN} more</span>
              )}
            </span>,
          ],
        ]}
      />
    </Panel>
  );
}
