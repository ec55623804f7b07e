import { tracked } from "@trpc/server";
import { z } from "zod";
import { findRole } from "../../access/roles.ts";
import { catchUp } from "../../events/catch-up.ts";
import { Coalescer } from "../../events/coalesce.ts";
import { organizationProcedure } from "../../trpc.ts";

/** How often a long stream checks that its reader still belongs to the organisation. */
const CHECK_MS = 60_000;
/** The last moment that a Date can hold, ms; Postgres' times end a little later. */
const DATE_MS_MAX = 8.64e15;

/**
 * What happens to the organisation's runs, at most five events a run and second. After a gap (the
 * browser came back with its last id, or this server lost the database) everything that may have
 * changed is told once.
 */
export const stream = organizationProcedure("viewer")
  .input(z.object({ lastEventId: z.string().max(100).nullish() }))
  .subscription(async function* ({ ctx, input, signal }) {
    const { db, hub } = ctx.platform;
    const { organizationId } = input;
    const waiting = new Coalescer();
    let resyncFromMs = sinceOf(input.lastEventId);
    let lastMs = resyncFromMs ?? Date.now();
    let wake = () => {};
    const unsubscribe = hub.subscribe(organizationId, (event) => {
      if (event.kind === "queue") return;
      if (event.kind === "resync") resyncFromMs ??= lastMs;
      else waiting.add(event);
      wake();
    });
    const stop = () => wake();
    signal?.addEventListener("abort", stop);
    try {
      let checkedMs = performance.now();
      while (!signal?.aborted) {
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        if (resyncFromMs !== undefined) {
          const sinceMs = resyncFromMs;
          resyncFromMs = undefined;
          for (const notice of await catchUp(db, organizationId, sinceMs)) waiting.add(notice);
        }
        const { due, againInMs } = waiting.take(performance.now());
        for (const { event, atMs } of due) {
          lastMs = Math.max(lastMs, atMs);
          yield tracked(`${lastMs}-${event.runId}`, event);
        }
        await wokenOrAfter(woken, againInMs ?? CHECK_MS);
        if (performance.now() - checkedMs < CHECK_MS) continue;
        checkedMs = performance.now();
        if ((await findRole(db, ctx.user.id, organizationId)) === undefined) return;
      }
    } finally {
      signal?.removeEventListener("abort", stop);
      unsubscribe();
    }
  });

function sinceOf(lastEventId: string | null | undefined): number | undefined {
  const ms = Number(lastEventId?.split("-")[0]);
  return lastEventId && Math.abs(ms) <= DATE_MS_MAX ? ms : undefined;
}

async function wokenOrAfter(woken: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const waited = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([woken, waited]);
  clearTimeout(timer);
}
