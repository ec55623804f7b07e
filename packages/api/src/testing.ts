import { randomUUID } from "node:crypto";
import { createDb, type Db } from "@fmlab/db";
import { createTestDatabase } from "@fmlab/db/testing";
import type { AnyExperiment } from "@fmlab/experiment";
import { createTRPCClient, httpLink } from "@trpc/client";
import { fetchRequestHandler } from "@trpc/server/adapters/fetch";
import superjson from "superjson";
import { ROLES, type Role } from "./access/roles.ts";
import { createToken, type TokenUse } from "./access/tokens.ts";
import { getArtifact, putArtifact } from "./artifacts/artifact-routes.ts";
import { handleAuth } from "./auth.ts";
import { runBackgroundWork } from "./background.ts";
import { createPlatformContext } from "./context.ts";
import { createPlatform } from "./create-platform.ts";
import { signInDemo } from "./demo.ts";
import type { Logger } from "./logger.ts";
import { type HttpServer, serve } from "./node-http.ts";
import type { Platform } from "./platform.ts";
import { type AppRouter, appRouter } from "./router/app-router.ts";

const TEST_SECRET = "a secret for tests only, not for anything else";

export interface TestUser {
  id: string;
  name: string;
  email: string;
  password: string;
  /** Value of the cookie header. */
  cookie: string;
}

export interface TestPlatformOptions {
  experiments: ReadonlyMap<string, AnyExperiment>;
  localMode?: boolean;
  /** Default true: LISTEN connection and reaper, as in a real server. */
  background?: boolean;
  /** Use this (migrated) database instead of a fresh one; it is not dropped. */
  databaseUrl?: string;
  log?: Logger;
}

export type TestPlatform = Awaited<ReturnType<typeof startTestPlatform>>;
export type TestClient = ReturnType<typeof createTestClient>;

/** A typed client for queries and mutations, for any base address and headers. */
export function createTestClient(url: string, headers: Record<string, string> = {}) {
  return createTRPCClient<AppRouter>({
    links: [httpLink({ url: `${url}/api/trpc`, transformer: superjson, headers })],
  });
}

/**
 * A whole server for tests: real HTTP, router, sign-in and Postgres (a database of its own), with
 * an organisation, a user of each role, a foreign organisation's owner, a project and tokens.
 */
export async function startTestPlatform(options: TestPlatformOptions) {
  const database = options.databaseUrl
    ? { url: options.databaseUrl, drop: async () => {} }
    : await createTestDatabase();
  const db = createDb(database.url, { poolSize: 10 });
  const server = new TestServer(options, database.url, db);
  await server.start();
  const { auth } = server.platform;

  const signUp = async (name: string): Promise<TestUser> => {
    const email = `${name}-${randomUUID().slice(0, 8)}@example.test`;
    const password = randomUUID();
    const body = { email, password, name };
    const response = await auth.api.signUpEmail({ body, asResponse: true });
    const { user } = (await response.json()) as { user: { id: string } };
    const cookie = response.headers.getSetCookie().map((c) => c.split(";")[0]);
    return { id: user.id, name, email, password, cookie: cookie.join("; ") };
  };
  const users: Record<Role, TestUser> = {
    viewer: await signUp("viewer"),
    member: await signUp("member"),
    admin: await signUp("admin"),
    owner: await signUp("owner"),
  };
  const foreigner = await signUp("foreigner");
  const organizationId = await createOrganization(
    db,
    ROLES.map((role) => [users[role].id, role]),
  );
  const foreignOrganizationId = await createOrganization(db, [[foreigner.id, "owner"]]);
  const project = await db.project.create({ data: { organizationId, name: "Test project" } });
  const token = async (use: TokenUse, user: TestUser = users.owner) =>
    (await createToken(db, { organizationId, userId: user.id, use, name: `test ${use}` })).secret;

  return {
    url: server.url,
    databaseUrl: database.url,
    db,
    /** The running server's platform; another one after `restart`. */
    platform: () => server.platform,
    users,
    foreigner,
    organizationId,
    foreignOrganizationId,
    projectId: project.id,
    agentToken: await token("agent"),
    cliToken: await token("cli", users.member),
    createToken: token,
    signUp,
    /** A client signed in as a user, as nobody, or with a token. */
    as: (who: TestUser | Role | null) => createTestClient(server.url, headersOf(who, users)),
    withToken: (secret: string) =>
      createTestClient(server.url, { authorization: `Bearer ${secret}` }),
    /**
     * Takes the server away: the port is closed, connections are dropped, background work stops.
     */
    stopServer: () => server.stop(),
    /** A new server process, in effect, on the same port and database. */
    startServer: () => server.start(),
    async stop() {
      await server.stop();
      await db.$disconnect();
      await database.drop();
    },
  };
}

function headersOf(
  who: TestUser | Role | null,
  users: Record<Role, TestUser>,
): Record<string, string> {
  if (who === null) return {};
  return { cookie: (typeof who === "string" ? users[who] : who).cookie };
}

async function createOrganization(db: Db, members: [userId: string, role: Role][]) {
  const createdAt = new Date();
  const id = randomUUID();
  await db.organization.create({ data: { id, name: `Lab ${id}`, slug: id, createdAt } });
  const data = members.map(([userId, role]) => ({
    id: randomUUID(),
    organizationId: id,
    userId,
    role,
    createdAt,
  }));
  await db.member.createMany({ data });
  return id;
}

/** What a server process is, without Next: stopped and started on one port. */
class TestServer {
  readonly #options: TestPlatformOptions;
  readonly #databaseUrl: string;
  readonly #db: Db;
  #http: HttpServer | undefined;
  #platform: Platform | undefined;
  #stopWork: (() => Promise<void>) | undefined;
  #port = 0;

  constructor(options: TestPlatformOptions, databaseUrl: string, db: Db) {
    this.#options = options;
    this.#databaseUrl = databaseUrl;
    this.#db = db;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get platform(): Platform {
    if (this.#platform === undefined) throw new Error("the test server is stopped");
    return this.#platform;
  }

  async start(): Promise<void> {
    this.#http = await serve(this.#port, (request) => route(this.platform, request));
    this.#port = this.#http.port;
    const { experiments, localMode = false, background = true, log = () => {} } = this.#options;
    this.#platform = createPlatform({
      databaseUrl: this.#databaseUrl,
      secret: TEST_SECRET,
      url: this.url,
      localMode,
      experiments,
      log,
      db: this.#db,
      rateLimit: false,
    });
    const { hub } = this.#platform;
    this.#stopWork = background ? runBackgroundWork(this.#platform) : () => hub.stop();
    await hub.start();
  }

  async stop(): Promise<void> {
    await this.#http?.close();
    await this.#stopWork?.();
    this.#http = undefined;
    this.#stopWork = undefined;
    this.#platform = undefined;
  }
}

/** The routes that apps/web mounts, by path. */
async function route(platform: Platform, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const [, , area, ...rest] = pathname.split("/").map(decodeURIComponent);
  const [first = "", second = "", ...name] = rest;
  switch (area) {
    case "trpc":
      return fetchRequestHandler({
        endpoint: "/api/trpc",
        req: request,
        router: appRouter,
        createContext: () => createPlatformContext(platform, request.headers),
      });
    case "auth":
      return handleAuth(platform.auth, request);
    case "demo":
      return signInDemo(platform, request);
    case "artifacts":
      if (request.method !== "PUT") return getArtifact(platform, request, { artifactId: first });
      return putArtifact(platform, request, {
        runId: first,
        attemptNumber: second,
        name: name.join("/"),
      });
    default:
      return new Response("not found", { status: 404 });
  }
}
