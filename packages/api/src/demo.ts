import { createHmac } from "node:crypto";
import type { Platform } from "./platform.ts";

/** Who the demo user is. */
export const DEMO_EMAIL = "demo@fmlab.local";

/** The demo user's password: nobody types it, and only this installation's secret gives it. */
export function demoPassword(secret: string): string {
  return createHmac("sha256", secret).update("fmlab demo user").digest("base64url");
}

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;

/**
 * POST /api/demo: signs the demo user in, in local mode only. The page must have been opened under
 * a loopback name, so that a foreign page whose name was pointed here gets nothing.
 */
export async function signInDemo(platform: Platform, request: Request): Promise<Response> {
  const refuse = (message: string) => Response.json({ message }, { status: 403 });
  if (!platform.localMode) return refuse("there is no demo user on this server: sign in");
  if (request.method !== "POST") return refuse("the demo user signs in by POST");
  const host = request.headers.get("host") ?? new URL(request.url).host;
  const origin = request.headers.get("origin");
  if (!LOOPBACK.test(host)) return refuse("the demo user signs in on this machine only");
  if (origin !== null && new URL(origin).host !== host)
    return refuse("foreign pages may not do this");
  return platform.auth.api.signInEmail({
    body: { email: DEMO_EMAIL, password: demoPassword(platform.secret) },
    headers: request.headers,
    asResponse: true,
  });
}
