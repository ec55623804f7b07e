import { experiments } from "@fmlab/registry";
import { getArtifact, putArtifact } from "./artifacts/artifact-routes.ts";
import { type Auth, handleAuth } from "./auth.ts";
import { runBackgroundWork } from "./background.ts";
import { type Context, createPlatformContext } from "./context.ts";
import { createPlatform } from "./create-platform.ts";
import { signInDemo } from "./demo.ts";
import type { Platform } from "./platform.ts";

export type { Auth } from "./auth.ts";
export type { Context } from "./context.ts";
export { type AppRouter, appRouter } from "./router/app-router.ts";
export { createCallerFactory } from "./trpc.ts";

// One platform a process, also when a development server loads this module again.
const held = globalThis as { fmlabPlatform?: Platform; fmlabStop?: () => Promise<void> };

/** The process's platform, made of its environment on first use. */
export function platform(): Platform {
  held.fmlabPlatform ??= createPlatform({
    databaseUrl: required("DATABASE_URL", "the address of Postgres"),
    secret: required("AUTH_SECRET", "a random text of at least 32 characters"),
    url: process.env.FMLAB_URL ?? `http://127.0.0.1:${process.env.PORT ?? 3000}`,
    localMode: process.env.FMLAB_LOCAL === "1",
    experiments,
  });
  return held.fmlabPlatform;
}

function required(name: string, what: string): string {
  const value = process.env[name];
  if (value) return value;
  throw new Error(`${name} is not set: give ${what}, or start with \`npm start\`, which sets it`);
}

/** The tRPC context of a request. */
export function createContext(options: { headers: Headers }): Promise<Context> {
  return createPlatformContext(platform(), options.headers);
}

/** better-auth's server side, for sessions in server components. Made on first use. */
export const auth: Auth = new Proxy({} as Auth, {
  get: (_, name) => Reflect.get(platform().auth, name),
});

/** Answers /api/auth/*. */
export const authHandler = (request: Request): Promise<Response> =>
  handleAuth(platform().auth, request);

/** Answers POST /api/demo. */
export const handleDemo = (request: Request): Promise<Response> => signInDemo(platform(), request);

/** Answers PUT /api/artifacts/<runId>/<attemptNumber>/<name>. */
export const handleArtifactPut = (
  request: Request,
  params: { runId: string; attemptNumber: string; name: string },
): Promise<Response> => putArtifact(platform(), request, params);

/** Answers GET /api/artifacts/<artifactId>. */
export const handleArtifactGet = (
  request: Request,
  params: { artifactId: string },
): Promise<Response> => getArtifact(platform(), request, params);

/** Answers GET /api/health: 200 when the database answers. */
export async function handleHealth(): Promise<Response> {
  const { db, version } = platform();
  try {
    await db.$queryRaw`SELECT 1`;
    return Response.json({ ok: true, version });
  } catch {
    return Response.json({ ok: false, version }, { status: 503 });
  }
}

/**
 * Starts the LISTEN connection and the reaper, once a process.
 *
 * @returns a function that stops them
 */
export function startBackgroundWork(): () => Promise<void> {
  held.fmlabStop ??= runBackgroundWork(platform());
  return async () => {
    const stop = held.fmlabStop;
    delete held.fmlabStop;
    await stop?.();
  };
}
