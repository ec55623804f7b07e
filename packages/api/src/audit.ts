import { Prisma, storableJson, type Tx } from "@fmlab/db";

/** Who did it. */
export type Actor = { kind: "user" | "token"; id: string } | { kind: "system"; id: null };

/** What was done, to what. */
export interface AuditEntry {
  organizationId: string;
  /** `<noun>.<verb>`, e.g. `run.cancel`. */
  action: string;
  resourceType: string;
  resourceId: string;
  before?: unknown;
  after?: unknown;
}

/** Writes down an action, in the transaction that does it: no change without its entry. */
export async function audit(tx: Tx, actor: Actor, entry: AuditEntry): Promise<void> {
  const json = (value: unknown) =>
    value === undefined || value === null
      ? Prisma.DbNull
      : (storableJson(value) as Prisma.InputJsonValue);
  await tx.auditEvent.create({
    data: {
      ...entry,
      actorId: actor.id,
      actorKind: actor.kind,
      before: json(entry.before),
      after: json(entry.after),
    },
  });
}
