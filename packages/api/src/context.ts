import { type VerifiedToken, verifyToken } from "./access/tokens.ts";
import type { Platform } from "./platform.ts";

/** A user as procedures see one. */
export interface SessionUser {
  id: string;
  name: string;
  email: string;
}

/** Who calls. `problem` says why credentials that were sent do not count. */
export type Caller =
  | { kind: "anonymous"; problem?: string }
  | { kind: "session"; user: SessionUser }
  | { kind: "cli"; user: SessionUser; organizationId: string; tokenId: string }
  | { kind: "agent"; organizationId: string; tokenId: string };

/** What every procedure starts from. */
export interface Context {
  platform: Platform;
  caller: Caller;
}

/**
 * Finds out who calls. A database that does not answer is an error, never an anonymous caller: an
 * agent must not take an outage for a revoked token.
 */
export async function createPlatformContext(
  platform: Platform,
  headers: Headers,
): Promise<Context> {
  return { platform, caller: await findCaller(platform, headers) };
}

async function findCaller(platform: Platform, headers: Headers): Promise<Caller> {
  const [scheme, secret] = headers.get("authorization")?.split(" ") ?? [];
  if (scheme !== undefined) {
    if (scheme.toLowerCase() !== "bearer" || !secret) {
      return { kind: "anonymous", problem: "the authorization header must be `Bearer TOKEN`" };
    }
    return callerOf(await verifyToken(platform.db, secret));
  }
  // Cookies count only for requests of our own pages.
  const site = headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") return { kind: "anonymous" };
  if (!headers.has("cookie")) return { kind: "anonymous" };
  const session = await platform.auth.api.getSession({ headers });
  if (!session) return { kind: "anonymous" };
  const { id, name, email } = session.user;
  return { kind: "session", user: { id, name, email } };
}

function callerOf(token: VerifiedToken | undefined): Caller {
  if (token === undefined) {
    return {
      kind: "anonymous",
      problem:
        "the token is unknown, revoked or expired: create a new one under Organisation, API tokens",
    };
  }
  const { id: tokenId, organizationId } = token;
  if (token.use === "agent") return { kind: "agent", organizationId, tokenId };
  if (token.user === null) {
    return { kind: "anonymous", problem: "the user of this token no longer exists" };
  }
  return { kind: "cli", user: token.user, organizationId, tokenId };
}
