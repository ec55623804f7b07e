import { randomUUID } from "node:crypto";
import { Prisma, storableJson, type Tx } from "@fmlab/db";
import type { AnyExperiment } from "@fmlab/experiment";
import type { CheckedConfig } from "../definitions.ts";
import { ApiError } from "../errors.ts";
import { notifyQueue, notifyRuns } from "../events/notify.ts";
import { assertLimit } from "../reports/store-report.ts";
import { configHash } from "./config-hash.ts";
import { assertRunnable } from "./machine-fit.ts";
import { listMachines } from "./machines.ts";

/** Runs of one launch at most, and their configs together. */
export const LAUNCH_LIMITS = { runs: 1_000, configBytes: 64_000_000 } as const;

/** A checked launch. */
export interface Launch extends CheckedConfig {
  organizationId: string;
  projectId: string;
  definition: AnyExperiment;
  preset: string | null;
  configRevisionId: string | null;
  /** One run for each entry. */
  seeds: readonly number[];
  priority: number;
  timeLimitSec: number;
  maxAttempts: number;
  createdById: string;
  /** The same key again creates nothing and returns what there is. */
  idempotencyKey: string | undefined;
}

/** The runs of a launch, in the order of its seeds. */
export interface Launched {
  launchId: string;
  runs: { id: string; seed: number }[];
  created: boolean;
}

/**
 * Queues the runs of a launch.
 *
 * @throws ApiError `NO_MACHINE` | `MISSING_FILES` | `LAUNCH_KEY_USED`, or a limit's
 */
export async function createRuns(tx: Tx, launch: Launch): Promise<Launched> {
  const launchId = launch.idempotencyKey ?? randomUUID();
  const existing = await findLaunch(tx, launch, launchId);
  if (existing) return { launchId, runs: existing, created: false };
  assertRunnable(await listMachines(tx, launch.organizationId), launch.definition, launch.needs);
  const config = storableJson(launch.config) as Prisma.InputJsonObject;
  const bytes = Buffer.byteLength(JSON.stringify(config)) * launch.seeds.length;
  assertLimit("runs in a launch", LAUNCH_LIMITS.runs, launch.seeds.length);
  assertLimit("bytes of config in a launch", LAUNCH_LIMITS.configBytes, bytes);
  const { definition, needs, organizationId, projectId } = launch;
  const runs = await tx.run.createManyAndReturn({
    data: launch.seeds.map((seed) => ({
      projectId,
      kind: definition.kind,
      definitionVersion: definition.version,
      preset: launch.preset,
      configRevisionId: launch.configRevisionId,
      config,
      configHash: configHash(config),
      seed,
      fidelity: definition.fidelity(launch.config),
      launchId,
      priority: launch.priority,
      requiredTags: needs.tags,
      requiredMemory: Math.ceil(needs.memoryBytes),
      requiredGpu: needs.gpu === null ? Prisma.DbNull : { ...needs.gpu },
      timeLimitSec: launch.timeLimitSec,
      maxAttempts: launch.maxAttempts,
      createdById: launch.createdById,
    })),
    select: { id: true, seed: true },
  });
  const created = {
    organizationId,
    projectId,
    state: "QUEUED" as const,
    what: ["created" as const],
  };
  await notifyRuns(
    tx,
    runs.map(({ id }) => ({ ...created, runId: id })),
  );
  await notifyQueue(tx, organizationId);
  return { launchId, runs: runs.map((r) => ({ id: r.id, seed: Number(r.seed) })), created: true };
}

/** What the idempotency key has created earlier; waits for a launch with it that is under way. */
async function findLaunch(tx: Tx, launch: Launch, launchId: string) {
  if (launch.idempotencyKey === undefined) return undefined;
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${launchId}, 0))`;
  const runs = await tx.run.findMany({
    where: { launchId },
    orderBy: [{ queuedAt: "asc" }, { id: "asc" }],
    select: { id: true, seed: true, projectId: true },
  });
  if (runs.length === 0) return undefined;
  if (runs.some((r) => r.projectId !== launch.projectId)) {
    throw new ApiError("this idempotency key was used elsewhere: take a new random one", {
      code: "LAUNCH_KEY_USED",
      idempotencyKey: launchId,
    });
  }
  return runs.map((r) => ({ id: r.id, seed: Number(r.seed) }));
}
