import { createHmac } from "node:crypto";
import { isLoopbackAddress, isLoopbackHost } from "./loopback.ts";
import type { Platform } from "./platform.ts";

/** Who the demo user is. */
export const DEMO_EMAIL = "demo@fmlab.local";

/** The demo user's password: nobody types it, and only this installation's secret gives it. */
export function demoPassword(secret: string): string {
  return createHmac("sha256", secret).update("fmlab demo user").digest("base64url");
}

/**
 * POST /api/demo: signs the demo user in, in local mode only. The page must have been opened under
 * a loopback name, so that a foreign page whose name was pointed here gets nothing, and without a
 * proxy between, which would let the whole network in under this machine's address.
 */
export async function signInDemo(platform: Platform, request: Request): Promise<Response> {
  const problem = problemOf(platform, request);
  if (problem !== undefined) return Response.json({ message: problem }, { status: 403 });
  return platform.auth.api.signInEmail({
    body: { email: DEMO_EMAIL, password: demoPassword(platform.secret) },
    headers: request.headers,
    asResponse: true,
  });
}

function problemOf(platform: Platform, request: Request): string | undefined {
  const { headers, method, url } = request;
  if (!platform.localMode) return "there is no demo user on this server: sign in";
  if (method !== "POST") return "the demo user signs in by POST";
  if (isForwarded(headers)) return "the demo user signs in without a proxy between: sign in";
  const host = headers.get("host") ?? new URL(url).host;
  if (!isLoopbackHost(host)) return "the demo user signs in on this machine only";
  const origin = headers.get("origin");
  if (origin === null) return "the demo user signs in from this server's page: send its `Origin`";
  const isOwnPage = URL.canParse(origin) && new URL(origin).host === host;
  return isOwnPage ? undefined : "foreign pages may not do this";
}

/**
 * A proxy has passed the request on. Next itself sets x-forwarded-for to the connection's address
 * and x-forwarded-host to the Host where they are missing, so those count only with other values.
 */
function isForwarded(headers: Headers): boolean {
  if (headers.has("forwarded") || headers.has("x-real-ip")) return true;
  const listed = (name: string) =>
    headers
      .get(name)
      ?.split(",")
      .map((part) => part.trim()) ?? [];
  return (
    !listed("x-forwarded-for").every(isLoopbackAddress) ||
    !listed("x-forwarded-host").every(isLoopbackHost)
  );
}
