import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createTRPCUntypedClient, httpLink, TRPCClientError } from "@trpc/client";
import superjson from "superjson";
import { z } from "zod";
import { RunnerError } from "./errors.ts";
import { readableRefusal } from "./readable-refusal.ts";

/** Written by the seed of a local installation, readable by its owner only. */
const localSchema = z.object({
  url: z.string(),
  agentToken: z.string(),
  cliToken: z.string(),
  organizationId: z.string(),
  projectId: z.string(),
});
export type LocalConnection = z.infer<typeof localSchema>;

/** Address of a server, and the token to use there. */
export interface Connection {
  url: string;
  token: string;
}

/** The connection of the local installation under `homeDir`; undefined when there is none. */
export function localConnection(homeDir: string): LocalConnection | undefined {
  try {
    return localSchema.parse(JSON.parse(readFileSync(join(homeDir, "local.json"), "utf8")));
  } catch {
    // Not set up here, or by another version: the caller says what is missing.
    return undefined;
  }
}

/**
 * Server address and token: from the options, else the environment, else the local installation.
 *
 * @throws RunnerError `NOT_CONNECTED` saying what to set
 */
export function findConnection(
  options: { url?: string | undefined; token?: string | undefined },
  use: "agent" | "cli",
  homeDir: string,
  env: NodeJS.ProcessEnv = process.env,
): Connection {
  const local = localConnection(homeDir);
  const url = options.url ?? env.FMLAB_URL ?? local?.url;
  const localToken = use === "agent" ? local?.agentToken : local?.cliToken;
  // The local token is only for the local server: it is not sent to any other address.
  const mayUseLocal = url !== undefined && local !== undefined && sameOrigin(url, local.url);
  const token = options.token ?? env.FMLAB_TOKEN ?? (mayUseLocal ? localToken : undefined);
  if (url === undefined) {
    throw new RunnerError(
      "no server is known: give --url or FMLAB_URL, or run `npm start` in this checkout first",
      { code: "NOT_CONNECTED" },
    );
  }
  if (token === undefined) {
    throw new RunnerError(
      `no token for ${url} is known: give --token or FMLAB_TOKEN ` +
        "(tokens are made under Organisation, API tokens)",
      { code: "NOT_CONNECTED" },
    );
  }
  return { url: url.replace(/\/+$/, ""), token };
}

function sameOrigin(a: string, b: string): boolean {
  return URL.canParse(a) && URL.canParse(b) && new URL(a).origin === new URL(b).origin;
}

/** tRPC codes that say nothing about the request: the same one may pass later. */
const PASSING = new Set([
  "INTERNAL_SERVER_ERROR",
  "BAD_GATEWAY",
  "SERVICE_UNAVAILABLE",
  "GATEWAY_TIMEOUT",
  "TIMEOUT",
  "CLIENT_CLOSED_REQUEST",
  "TOO_MANY_REQUESTS",
]);

/**
 * Calls procedures of one server; failures are told apart as `SERVER_AWAY` and `SERVER_REFUSED`.
 */
export class ServerConnection {
  readonly connection: Connection;
  readonly #client: ReturnType<typeof createTRPCUntypedClient>;

  constructor(connection: Connection) {
    this.connection = connection;
    const link = httpLink({
      url: `${connection.url}/api/trpc`,
      transformer: superjson,
      headers: () => this.headers,
    });
    // The router's types live in the API package; answers are checked where they matter instead.
    this.#client = createTRPCUntypedClient({ links: [link] as never });
  }

  get headers(): Record<string, string> {
    return { authorization: `Bearer ${this.connection.token}` };
  }

  query<T>(path: string, input: unknown, options: CallOptions = {}): Promise<T> {
    return this.#call(() =>
      this.#client.query(path, input, { signal: signalOf(options) }),
    ) as Promise<T>;
  }

  mutate<T>(path: string, input: unknown, options: CallOptions = {}): Promise<T> {
    return this.#call(() =>
      this.#client.mutation(path, input, { signal: signalOf(options) }),
    ) as Promise<T>;
  }

  async #call(call: () => Promise<unknown>): Promise<unknown> {
    try {
      return await call();
    } catch (error) {
      throw this.failureOf(error);
    }
  }

  /** A failed call as one of this package's errors. */
  failureOf(error: unknown): RunnerError {
    const { url } = this.connection;
    const reason = error instanceof TRPCClientError ? codeOf(error) : undefined;
    const message = error instanceof Error ? error.message : String(error);
    if (reason === undefined || PASSING.has(reason)) {
      const told = reason === undefined ? withCause(error, message) : `${reason}: ${message}`;
      return new RunnerError(
        `the server at ${url} did not answer (${told}); is it running?`,
        { code: "SERVER_AWAY", url },
        { cause: error },
      );
    }
    const told = reason === "BAD_REQUEST" ? readableRefusal(message) : message;
    return new RunnerError(told, { code: "SERVER_REFUSED", reason }, { cause: error });
  }
}

/** Limits of one call; without a signal it cannot be given up. */
export interface CallOptions {
  timeoutMs?: number;
  signal?: AbortSignal;
}

function signalOf({ timeoutMs = 30_000, signal }: CallOptions): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs);
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
}

function codeOf(error: TRPCClientError<never>): string | undefined {
  const data = error.data as { code?: unknown } | undefined | null;
  return typeof data?.code === "string" ? data.code : undefined;
}

function withCause(error: unknown, message: string): string {
  let cause = error;
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  const code = (cause as { code?: unknown } | undefined)?.code;
  return typeof code === "string" && !message.includes(code) ? `${message}: ${code}` : message;
}
