import { z } from "zod";
import type { Tenant } from "../governance/governor.ts";
import { type PolicyRule, parsePolicies } from "../governance/policies.ts";
import { badDocument } from "./errors.ts";

const fields = z.strictObject({
  policies: z.unknown().optional(),
  tenants: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        quota: z.number().positive().max(1).default(1),
        weight: z.number().positive().default(1),
      }),
    )
    .default([]),
  zoneRttMs: z.record(z.string(), z.record(z.string(), z.number().min(0))).default({}),
  defaultRttMs: z.number().min(0).default(10),
});

/** Rules and what no cluster tells of itself. */
export interface Rules {
  policies: PolicyRule[];
  tenants: Tenant[];
  /** Round trips between zones, ms. */
  zoneRttMs: Record<string, Record<string, number>>;
  defaultRttMs: number;
}

/**
 * Reads a rules document; `{}` is one without rules.
 *
 * @throws AdapterError `BAD_DOCUMENT`, CncError `BAD_POLICY`
 */
export function readRules(document: unknown): Rules {
  const parsed = fields.safeParse(document);
  if (!parsed.success) throw badDocument("the rules document", z.prettifyError(parsed.error));
  return { ...parsed.data, policies: parsePolicies(parsed.data.policies ?? []) };
}
