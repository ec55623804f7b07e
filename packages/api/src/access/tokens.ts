import { createHash, randomBytes } from "node:crypto";
import type { Tx } from "@fmlab/db";

/** What a token is for. */
export const TOKEN_USES = ["agent", "cli"] as const;
export type TokenUse = (typeof TOKEN_USES)[number];

const PREFIX = { agent: "fma_", cli: "fmc_" } as const satisfies Record<TokenUse, string>;

/** What a token is made of. */
export interface NewToken {
  organizationId: string;
  userId: string;
  use: TokenUse;
  name: string;
  expiresInDays?: number | undefined;
}

/**
 * Makes a token. The secret is returned once; only its SHA-256 is stored (it has 256 random bits,
 * so a slow hash would add nothing).
 */
export async function createToken(
  tx: Tx,
  token: NewToken,
): Promise<{ id: string; secret: string }> {
  const secret = PREFIX[token.use] + randomBytes(32).toString("base64url");
  const { organizationId, userId, use, name, expiresInDays } = token;
  const row = await tx.apiToken.create({
    data: { organizationId, userId, use, name, start: secret.slice(0, 10), sha256: sha256(secret) },
  });
  if (expiresInDays !== undefined) {
    await tx.$executeRaw`UPDATE api_token SET
      "expiresAt" = clock_timestamp() + make_interval(days => ${expiresInDays}) WHERE id = ${row.id}::uuid`;
  }
  return { id: row.id, secret };
}

/** What a valid secret stands for. */
export interface VerifiedToken {
  id: string;
  organizationId: string;
  use: TokenUse;
  user: { id: string; name: string; email: string } | null;
}

/**
 * Looks a secret up; undefined when it is unknown, revoked or expired. One indexed read, without a
 * cache: a revoked token stops at once. The time of last use is written at most once a minute.
 */
export async function verifyToken(tx: Tx, secret: string): Promise<VerifiedToken | undefined> {
  const rows = await tx.$queryRaw<
    {
      id: string;
      organizationId: string;
      use: TokenUse;
      stale: boolean;
      user: VerifiedToken["user"];
    }[]
  >`SELECT t.id, t."organizationId", t.use,
      coalesce(t."lastUsedAt" < clock_timestamp() - interval '1 minute', true) AS stale,
      CASE WHEN u.id IS NOT NULL
        THEN jsonb_build_object('id', u.id, 'name', u.name, 'email', u.email) END AS "user"
    FROM api_token t LEFT JOIN "user" u ON u.id = t."userId"
    WHERE t.sha256 = ${sha256(secret)} AND (t."expiresAt" IS NULL OR t."expiresAt" > clock_timestamp())`;
  const [row] = rows;
  if (row === undefined) return undefined;
  if (row.stale) {
    await tx.$executeRaw`UPDATE api_token SET "lastUsedAt" = clock_timestamp() WHERE id = ${row.id}::uuid`;
  }
  const { id, organizationId, use, user } = row;
  return { id, organizationId, use, user };
}

function sha256(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
