import { Prisma, type Tx } from "@fmlab/db";
import type { GpuRequirement } from "@fmlab/experiment";
import { misfitOf } from "../launch/machine-fit.ts";
import { listMachines } from "../launch/machines.ts";

/** Where a queued run stands. */
export interface QueuePosition {
  /** 1 is next; counts the organisation's runs. */
  position: number;
  /** Why no machine takes it; null when one will as soon as it is free. */
  waitingFor: string | null;
}

/** What is asked about a queued run. */
export interface QueuedRun {
  id: string;
  organizationId: string;
  kind: string;
  definitionVersion: number;
  requiredTags: string[];
  requiredMemory: bigint;
  /** A `GpuRequirement`, or null. */
  requiredGpu: unknown;
}

/** Where a queued run stands and what it waits for. */
export async function queuePosition(tx: Tx, run: QueuedRun): Promise<QueuePosition> {
  const [row] = await tx.$queryRaw<{ ahead: number }[]>`
    SELECT count(*)::int AS ahead FROM run r JOIN project p ON p.id = r."projectId"
    JOIN run me ON me.id = ${run.id}::uuid
    WHERE p."organizationId" = ${run.organizationId} AND r.state = 'QUEUED' AND ${BEFORE_ME}`;
  return { position: (row?.ahead ?? 0) + 1, waitingFor: await waitingFor(tx, run) };
}

const BEFORE_ME = Prisma.sql`(-r.priority, r."queuedAt", r.id) < (-me.priority, me."queuedAt", me.id)`;

async function waitingFor(tx: Tx, run: QueuedRun): Promise<string | null> {
  const machines = (await listMachines(tx, run.organizationId)).filter((m) => m.online);
  if (machines.length === 0) return "no machine is online: start one with `fmlab agent`";
  const gpu = run.requiredGpu as GpuRequirement | null;
  const needs = { tags: run.requiredTags, memoryBytes: Number(run.requiredMemory), gpu };
  const wanted = { kind: run.kind, version: run.definitionVersion };
  const reasons = machines.map((machine) => misfitOf(machine, wanted, needs));
  if (reasons.includes(undefined)) return null;
  return reasons.slice(0, 5).join("; ");
}
