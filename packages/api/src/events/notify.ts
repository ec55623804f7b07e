import type { RunState, Tx } from "@fmlab/db";

/** The channel that every server process listens to. */
export const CHANNEL = "fmlab_events";

/** What can change about a run. */
export const RUN_CHANGES = ["state", "metrics", "logs", "series", "progress", "created"] as const;
export type RunChange = (typeof RUN_CHANGES)[number];

/** Something happened to a run; `atMs` is the database's clock. */
export interface RunNotice {
  kind: "run";
  organizationId: string;
  projectId: string;
  runId: string;
  what: RunChange[];
  state?: RunState | undefined;
  atMs: number;
}

/** There may be new work for the organisation's machines. */
export interface QueueNotice {
  kind: "queue";
  organizationId: string;
}

/** What the channel carries. */
export type Notice = RunNotice | QueueNotice;

/** Tells all servers, when and only if the transaction commits. */
export async function notifyRuns(
  tx: Tx,
  notices: readonly Omit<RunNotice, "kind" | "atMs">[],
): Promise<void> {
  const texts = notices.map((notice) => JSON.stringify({ kind: "run", ...notice }));
  await tx.$executeRaw`SELECT pg_notify(${CHANNEL}, (notice::jsonb || jsonb_build_object('atMs',
      floor(extract(epoch FROM clock_timestamp()) * 1000)))::text)
    FROM unnest(${texts}::text[]) AS notice`;
}

/** `notifyRuns` for one. */
export function notifyRun(tx: Tx, notice: Omit<RunNotice, "kind" | "atMs">): Promise<void> {
  return notifyRuns(tx, [notice]);
}

/** Wakes the claims that wait for work. */
export async function notifyQueue(tx: Tx, organizationId: string): Promise<void> {
  const notice: QueueNotice = { kind: "queue", organizationId };
  await tx.$executeRaw`SELECT pg_notify(${CHANNEL}, ${JSON.stringify(notice)})`;
}
