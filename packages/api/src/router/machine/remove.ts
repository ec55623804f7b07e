import type { Tx } from "@fmlab/db";
import { z } from "zod";
import { audit } from "../../audit.ts";
import { ApiError, notFound } from "../../errors.ts";
import { ONLINE_WITHIN_SEC } from "../../launch/machines.ts";
import { managementProcedure } from "../../trpc.ts";

/**
 * Forgets a machine that is offline. Its attempts stay, without a machine; an agent that comes back
 * registers anew.
 */
export const remove = managementProcedure("admin")
  .input(z.object({ machineId: z.uuid() }))
  .mutation(({ ctx, input }) =>
    ctx.platform.db.$transaction(async (tx) => {
      const { organizationId, machineId } = input;
      const machine = await lockMachine(tx, organizationId, machineId);
      if (machine === undefined) throw notFound("machine", machineId);
      const { name, online, liveAttempts, lastSeenAt } = machine;
      if (online || liveAttempts > 0) throw inUse(machine);
      await tx.machine.delete({ where: { id: machineId } });
      await audit(tx, ctx.actor, {
        organizationId,
        action: "machine.remove",
        resourceType: "machine",
        resourceId: machineId,
        before: { name, lastSeenAt },
      });
      return { id: machineId };
    }),
  );

interface LockedMachine {
  name: string;
  lastSeenAt: Date;
  online: boolean;
  liveAttempts: number;
}

/** Locks the machine first: a claim touches its row before it makes an attempt. */
async function lockMachine(
  tx: Tx,
  organizationId: string,
  machineId: string,
): Promise<LockedMachine | undefined> {
  await tx.$executeRaw`SELECT 1 FROM machine WHERE id = ${machineId}::uuid FOR UPDATE`;
  const rows = await tx.$queryRaw<LockedMachine[]>`
    SELECT m.name, m."lastSeenAt",
      m."lastSeenAt" > clock_timestamp() - make_interval(secs => ${ONLINE_WITHIN_SEC}) AS online,
      (SELECT count(*)::int FROM attempt a WHERE a."machineId" = m.id
        AND a.state IN ('CLAIMED', 'RUNNING')) AS "liveAttempts"
    FROM machine m WHERE m.id = ${machineId}::uuid AND m."organizationId" = ${organizationId}`;
  return rows[0];
}

function inUse({ name, online, liveAttempts }: LockedMachine): ApiError {
  const why = online
    ? `answered within the last ${ONLINE_WITHIN_SEC} s: stop its agent`
    : `still holds ${liveAttempts} unfinished attempt(s): wait until they are over`;
  return new ApiError(`${name} ${why}, then remove it`, {
    code: "MACHINE_IN_USE",
    online,
    liveAttempts,
  });
}
