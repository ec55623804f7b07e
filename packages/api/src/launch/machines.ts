import type { Tx } from "@fmlab/db";
import { machineFactsSchema } from "@fmlab/experiment";
import type { Offer } from "./machine-fit.ts";

/** A machine that was not seen for this long is offline. Twice the lease. */
export const ONLINE_WITHIN_SEC = 30;

/** A registered machine. */
export interface KnownMachine extends Offer {
  id: string;
  online: boolean;
  lastSeenAt: Date;
  facts: unknown;
}

/** The organisation's machines by name; `online` by the database's clock. */
export async function listMachines(tx: Tx, organizationId: string): Promise<KnownMachine[]> {
  const rows = await tx.$queryRaw<
    (Omit<KnownMachine, "memoryBytes" | "gpus"> & { memoryBytes: bigint })[]
  >`
    SELECT id, name, capabilities, "memoryBytes", definitions, facts, "lastSeenAt",
      "lastSeenAt" > clock_timestamp() - make_interval(secs => ${ONLINE_WITHIN_SEC}) AS online
    FROM machine WHERE "organizationId" = ${organizationId} ORDER BY name`;
  return rows.map((row) => ({
    ...row,
    memoryBytes: Number(row.memoryBytes),
    gpus: machineFactsSchema.parse(row.facts).gpus,
  }));
}
