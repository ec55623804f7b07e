"use client";

import { useQuery } from "@tanstack/react-query";
import { Play } from "lucide-react";
import Link from "next/link";
import { useState } from "react";
import { inSchemaOrder } from "@/features/launch/in-schema-order.ts";
import { routes } from "@/features/shell/routes.ts";
import { type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
import { Button } from "@/ui/button.tsx";
import { Select } from "@/ui/fields.tsx";
import { Panel } from "@/ui/panel.tsx";
import { JsonBlock } from "@/ui/scroll-region.tsx";
import { ErrorState, Loading } from "@/ui/status.tsx";
import { Ago } from "@/ui/time.tsx";
import type { SavedConfig } from "./configs-page.tsx";
import { DiffTable } from "./diff-table.tsx";

type Revision = RouterOutputs["config"]["history"][number];

/** One config's revisions: what each said, what changed, and the way to launch it. */
export function ConfigHistory({ config, projectId }: { config: SavedConfig; projectId: string }) {
  const trpc = useTRPC();
  const history = useQuery(trpc.config.history.queryOptions({ configId: config.id }));
  if (history.isPending) return <Loading lines={6} />;
  if (history.isError) {
    return <ErrorState error={history.error} onRetry={() => void history.refetch()} />;
  }
  return <Revisions config={config} projectId={projectId} revisions={history.data} />;
}

function Revisions({
  config,
  projectId,
  revisions,
}: {
  config: SavedConfig;
  projectId: string;
  revisions: Revision[];
}) {
  const [newerId, setNewer] = useState(revisions[0]?.id);
  const [olderId, setOlder] = useState<string | undefined>(revisions[1]?.id);
  const newer = revisions.find((r) => r.id === newerId) ?? revisions[0];
  const older = revisions.find((r) => r.id === olderId);
  if (newer === undefined) return null;
  return (
    <div className="flex min-w-0 flex-col gap-4">
      <Panel title={config.name} help={config.kind} flush>
        <ol className="divide-y divide-line">
          {revisions.map((revision) => (
            <RevisionRow
              key={revision.id}
              revision={revision}
              launch={
                <Button asChild size="small">
                  <Link href={routes.launch(projectId, config.kind, { revision: revision.id })}>
                    <Play aria-hidden /> Launch
                    <span className="sr-only"> revision {revision.number}</span>
                  </Link>
                </Button>
              }
            />
          ))}
        </ol>
      </Panel>
      <Panel
        title="Compare"
        actions={
          <span className="flex items-center gap-1.5">
            <RevisionSelect
              label="Older"
              {...{ revisions }}
              value={older?.id}
              onChange={setOlder}
            />
            <span aria-hidden>→</span>
            <RevisionSelect label="Newer" {...{ revisions }} value={newer.id} onChange={setNewer} />
          </span>
        }
      >
        {older === undefined ? (
          <p className="text-muted">Choose an older revision to see what changed.</p>
        ) : (
          <DiffTable
            before={inSchemaOrder(config.kind, older.config)}
            after={inSchemaOrder(config.kind, newer.config)}
          />
        )}
      </Panel>
      <Panel title={`Revision ${newer.number}`}>
        <JsonBlock
          label={`Revision ${newer.number} as JSON`}
          value={inSchemaOrder(config.kind, newer.config)}
        />
      </Panel>
    </div>
  );
}

function RevisionRow({ revision, launch }: { revision: Revision; launch: React.ReactNode }) {
  return (
    <li className="flex items-center gap-3 px-4 py-2">
      <span className="w-20 shrink-0 font-medium">Revision {revision.number}</span>
      <span className="min-w-0 flex-1 truncate text-muted">{revision.message || "no message"}</span>
      <span className="hidden text-xs text-muted sm:block">
        {revision.authorName ?? "removed user"}, <Ago at={revision.createdAt} />
      </span>
      {launch}
    </li>
  );
}

function RevisionSelect({
  label,
  revisions,
  value,
  onChange,
}: {
  label: string;
  revisions: Revision[];
  value: string | undefined;
  onChange: (id: string) => void;
}) {
  return (
    <Select
      aria-label={`${label} revision`}
      className="h-7 text-xs"
      value={value ?? ""}
      onChange={(event) => onChange(event.target.value)}
    >
      {value === undefined && <option value="">Choose…</option>}
      {revisions.map((revision) => (
        <option key={revision.id} value={revision.id}>
          Revision {revision.number}
        </option>
      ))}
    </Select>
  );
}
