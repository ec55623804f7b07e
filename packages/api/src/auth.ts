import type { Db } from "@fmlab/db";
import { betterAuth } from "better-auth";
import { prismaAdapter } from "better-auth/adapters/prisma";
import { organization } from "better-auth/plugins";
import { defaultRoles } from "better-auth/plugins/organization/access";
import type { Logger } from "./logger.ts";

/** What sign-in depends on. */
export interface AuthOptions {
  /** Signs the session cookies; at least 32 characters. */
  secret: string;
  /** Where browsers reach the server, e.g. `http://127.0.0.1:3000`. */
  url: string;
  /** Off only where nobody else can reach the server. */
  rateLimit: boolean;
  log: Logger;
}

/**
 * Sign-up, sign-in and sessions (better-auth); memberships and tokens are changed by the router.
 */
export function createAuth(db: Db, options: AuthOptions) {
  return betterAuth({
    appName: "fmlab",
    baseURL: options.url,
    basePath: "/api/auth",
    secret: options.secret,
    database: prismaAdapter(db, { provider: "postgresql" }),
    emailAndPassword: { enabled: true, minPasswordLength: 10 },
    telemetry: { enabled: false },
    rateLimit: { enabled: options.rateLimit },
    // Said outright, because the library leaves the check out under NODE_ENV=test.
    advanced: { disableOriginCheck: false },
    // The page may be opened under any name that leads to this server (localhost, 127.0.0.1, a
    // proxy's name): what counts is that the request comes from a page of this same server.
    trustedOrigins: async (request) => {
      const host = request?.headers.get("host");
      return host ? [`http://${host}`, `https://${host}`] : [];
    },
    plugins: [
      organization({
        creatorRole: "owner",
        roles: { ...defaultRoles, viewer: defaultRoles.member },
      }),
    ],
    logger: {
      level: "error",
      log: (level, message) => options.log(level === "warn" ? "warn" : "error", message),
    },
  });
}
export type Auth = ReturnType<typeof createAuth>;

/**
 * What the browser may call directly. Everything else of better-auth (its own organisations, above
 * all) would pass by this project's roles and audit.
 */
const OPEN_PATHS: ReadonlySet<string> = new Set([
  "/sign-up/email",
  "/sign-in/email",
  "/sign-out",
  "/get-session",
  "/change-password",
  "/update-user",
  "/list-sessions",
  "/revoke-session",
  "/revoke-other-sessions",
  "/ok",
  "/error",
]);

/** Answers `/api/auth/*`. */
export async function handleAuth(auth: Auth, request: Request): Promise<Response> {
  const path = new URL(request.url).pathname.replace(/^.*?\/api\/auth/, "");
  if (OPEN_PATHS.has(path)) return auth.handler(request);
  return Response.json({ message: `there is no ${path} here`, code: "NOT_FOUND" }, { status: 404 });
}
