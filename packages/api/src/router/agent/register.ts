import { storableJson } from "@fmlab/db";
import { ApiError } from "../../errors.ts";
import type { Platform } from "../../platform.ts";
import { LEASE, PROTOCOL_VERSION, registerInput } from "../../protocol.ts";
import { agentProcedure } from "../../trpc.ts";

/** Makes a machine known, or known again under its name. */
export const register = agentProcedure.input(registerInput).mutation(async ({ ctx, input }) => {
  assertSameVersions(ctx.platform, input);
  const { organizationId } = ctx;
  const { name, facts, capabilities, definitions, protocolVersion } = input;
  const [machine] = await ctx.platform.db.$queryRaw<{ id: string }[]>`
    INSERT INTO machine (id, "organizationId", name, facts, capabilities, "memoryBytes",
      "protocolVersion", definitions, "lastSeenAt")
    VALUES (gen_random_uuid(), ${organizationId}, ${name},
      ${JSON.stringify(storableJson(facts))}::jsonb, ${capabilities}::text[],
      ${String(Math.floor(facts.memoryBytes))}::bigint, ${protocolVersion},
      ${JSON.stringify(definitions)}::jsonb, clock_timestamp())
    ON CONFLICT ("organizationId", name) DO UPDATE SET facts = excluded.facts,
      capabilities = excluded.capabilities, "memoryBytes" = excluded."memoryBytes",
      "protocolVersion" = excluded."protocolVersion", definitions = excluded.definitions,
      "lastSeenAt" = excluded."lastSeenAt"
    RETURNING id`;
  if (machine === undefined) throw new Error("an upserted machine was not returned");
  return { machineId: machine.id, organizationId, lease: LEASE };
});

/** @throws ApiError `VERSION_MISMATCH` */
function assertSameVersions(
  platform: Platform,
  agent: { protocolVersion: number; fmlabVersion: string; definitions: Record<string, number> },
): void {
  const fix =
    `the agent is fmlab ${agent.fmlabVersion}, the server ${platform.version}: bring both to the ` +
    "same version (git pull && npm ci) and restart the agent";
  if (agent.protocolVersion !== PROTOCOL_VERSION) {
    throw new ApiError(
      `the agent speaks protocol ${agent.protocolVersion}, the server ${PROTOCOL_VERSION}; ${fix}`,
      {
        code: "VERSION_MISMATCH",
        what: "protocol",
        server: PROTOCOL_VERSION,
        agent: agent.protocolVersion,
      },
    );
  }
  for (const [kind, version] of Object.entries(agent.definitions)) {
    const own = platform.experiments.get(kind)?.version;
    if (own === undefined || own === version) continue;
    throw new ApiError(`the agent has version ${version} of ${kind}, the server ${own}; ${fix}`, {
      code: "VERSION_MISMATCH",
      what: kind,
      server: own,
      agent: version,
    });
  }
}
