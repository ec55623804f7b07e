import type { Db } from "@fmlab/db";
import type { z } from "zod";
import type { AttemptOrder, startInput } from "../protocol.ts";
import { applyAttemptEvent, applyRunEvent } from "./apply-event.ts";
import { lockLive, orderFor } from "./fence.ts";

/** Marks an attempt as running. A repeated call changes nothing but the lease. */
export async function startAttempt(
  db: Db,
  organizationId: string,
  start: z.output<typeof startInput>,
): Promise<AttemptOrder> {
  return db.$transaction(async (tx) => {
    const live = await lockLive(tx, organizationId, start);
    if (live === undefined) return "stop";
    await applyAttemptEvent(tx, live.attempt, "start", { reproduction: start.reproduction });
    return orderFor(await applyRunEvent(tx, live.run, "start"));
  });
}
