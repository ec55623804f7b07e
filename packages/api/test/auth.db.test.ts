import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createTestDatabase } from "@fmlab/db/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPlatform } from "../src/create-platform.ts";
import { signInDemo } from "../src/demo.ts";
import type { Platform } from "../src/platform.ts";
import { seedLocal } from "../src/seed.ts";
import { startTestPlatform, type TestPlatform } from "../src/testing.ts";
import { testExperiments } from "./definitions.ts";

let t: TestPlatform;
const logged: string[] = [];
beforeAll(async () => {
  t = await startTestPlatform({
    experiments: testExperiments,
    background: false,
    log: (level, message) => void logged.push(`${level} ${message}`),
  });
});
afterAll(() => t.stop());

const post = (at: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(t.url + at, {
    method: "POST",
    headers: { "content-type": "application/json", origin: t.url, ...headers },
    body: JSON.stringify(body),
  });

describe("signing in", () => {
  it("gives a session by email and password, and ends it by signing out", async () => {
    const { email, password, id } = t.users.member;
    const signedIn = await post("/api/auth/sign-in/email", { email, password });
    expect(signedIn.status).toBe(200);
    const cookie = signedIn.headers
      .getSetCookie()
      .map((c) => c.split(";")[0])
      .join("; ");
    const me = () => t.as({ ...t.users.member, cookie }).session.me.query();
    expect(await me()).toMatchObject({
      user: { id, email },
      organizations: [{ id: t.organizationId, role: "member" }],
      localMode: false,
    });
    await post("/api/auth/sign-out", {}, { cookie });
    expect((await me()).user).toBeNull();
  });

  it("is refused with a wrong password, and from a foreign page", async () => {
    const { email, password } = t.users.member;
    const wrong = { email, password: "not the password" };
    expect((await post("/api/auth/sign-in/email", wrong)).status).toBe(401);
    const foreign = { origin: "http://evil.example", cookie: t.users.member.cookie };
    expect((await post("/api/auth/sign-in/email", { email, password }, foreign)).status).toBe(403);
  });

  it("lets a new user make an organisation and own it", async () => {
    const user = await t.signUp("founder");
    const made = await t
      .as(user)
      .organization.create.mutate({ name: " Edge  lab ", projectName: "First" });
    expect((await t.as(user).session.me.query()).organizations).toMatchObject([
      { id: made.organizationId, name: "Edge lab", role: "owner" },
    ]);
    expect(await t.as(user).project.list.query({})).toMatchObject([
      { id: made.projectId, name: "First" },
    ]);
    const { organizationId } = made;
    const [entry] = (await t.as(user).audit.list.query({ organizationId })).rows;
    expect(entry).toMatchObject({ action: "organization.create", after: { name: "Edge lab" } });
  });

  it.each([
    "/organization/create",
    "/organization/invite-member",
    "/organization/update-member-role",
    "/organization/delete",
    "/api-key/create",
    "/admin/set-role",
  ])("does not open better-auth's own %s", async (at) => {
    const answer = await post(`/api/auth${at}`, {}, { cookie: t.users.owner.cookie });
    expect(answer.status).toBe(404);
  });
});

describe("the demo user", () => {
  it("does not exist outside of local mode", async () => {
    const answer = await post("/api/demo", {});
    expect(answer.status).toBe(403);
    expect(answer.headers.getSetCookie()).toEqual([]);
  });

  describe("in local mode", () => {
    const secret = "one secret of at least thirty-two characters";
    let home: string;
    let local: Platform;
    beforeAll(async () => {
      home = await mkdtemp(path.join(os.tmpdir(), "fmlab-seed-"));
      const options = { databaseUrl: t.databaseUrl, url: "http://127.0.0.1:1", secret };
      await seedLocal(t.db, { home, url: options.url, secret });
      const { experiments } = t.platform();
      local = createPlatform({ ...options, localMode: true, experiments, db: t.db });
    });
    afterAll(() => rm(home, { recursive: true }));

    const ask = (headers: Record<string, string>) =>
      signInDemo(local, new Request("http://127.0.0.1:3000/api/demo", { method: "POST", headers }));
    const page = (host: string) => ({ host, origin: `http://${host}` });
    /** What Next adds to a request that came without a proxy. */
    const byNext = (host: string, address: string) => ({
      "x-forwarded-for": address,
      "x-forwarded-host": host,
      "x-forwarded-port": "3000",
      "x-forwarded-proto": "http",
    });

    it("signs in by one click", async () => {
      const answer = await ask(page("127.0.0.1:3000"));
      expect(answer.status).toBe(200);
      const cookie = answer.headers
        .getSetCookie()
        .map((c) => c.split(";")[0])
        .join("; ");
      const session = await local.auth.api.getSession({ headers: new Headers({ cookie }) });
      expect(session?.user.email).toBe("demo@fmlab.local");
    });

    it.each([
      ["localhost:3000", "127.0.0.1"],
      ["127.0.0.2", "::ffff:127.0.0.1"],
      ["[::1]:3000", "::1"],
    ])("is let in as %s from %s, with what Next adds", async (host, address) => {
      expect((await ask({ ...page(host), ...byNext(host, address) })).status).toBe(200);
    });

    const host = "127.0.0.1:3000";
    it.each<[string, Record<string, string>]>([
      ["under a foreign name", page("evil.example")],
      ["under a name that begins like a loopback one", page("127.0.0.1.evil.example")],
      ["from a foreign page", { host, origin: "http://evil.example" }],
      ["from a page on another port", { host, origin: "http://127.0.0.1:4000" }],
      ["from a page without an origin", { host, origin: "null" }],
      ["without an Origin header", { host }],
      ["with Forwarded", { ...page(host), forwarded: "for=127.0.0.1" }],
      ["with X-Real-IP", { ...page(host), "x-real-ip": "127.0.0.1" }],
      ["from a far address", { ...page(host), ...byNext(host, "203.0.113.5") }],
      ["by two proxies", { ...page(host), ...byNext(host, "127.0.0.1, 203.0.113.5") }],
      ["by a proxy's own name", { ...page(host), ...byNext("lab.example", "127.0.0.1") }],
    ])("is refused %s", async (_, headers) => {
      const answer = await ask(headers);
      expect(answer.status).toBe(403);
      expect(answer.headers.getSetCookie()).toEqual([]);
    });
  });
});

describe("seeding", () => {
  it("is done once, keeps tokens that work, and replaces those that do not", async () => {
    const database = await createTestDatabase();
    const secret = "another secret of at least thirty-two characters";
    const url = "http://127.0.0.1:3000";
    const platform = createPlatform({
      databaseUrl: database.url,
      secret,
      url,
      localMode: true,
      experiments: testExperiments,
    });
    const { db } = platform;
    const home = await mkdtemp(path.join(os.tmpdir(), "fmlab-seed-"));
    const file = path.join(home, "local.json");
    const first = await seedLocal(db, { home, url, secret });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual(first);
    expect(await seedLocal(db, { home, url, secret })).toEqual(first);
    expect(await db.organization.findMany({ include: { members: true } })).toMatchObject([
      { name: "Local lab", slug: "local-lab", members: [{ role: "owner" }] },
    ]);
    expect(await db.project.findMany()).toMatchObject([{ name: "Getting started" }]);
    await db.apiToken.deleteMany({ where: { use: "agent" } });
    const second = await seedLocal(db, { home, url, secret });
    expect(second.agentToken).not.toBe(first.agentToken);
    expect(second.cliToken).toBe(first.cliToken);
    await writeFile(file, "{ damaged");
    const third = await seedLocal(db, { home, url, secret: `${secret}, changed` });
    expect(third.projectId).toBe(first.projectId);
    expect(await db.apiToken.count()).toBe(2);
    expect(await db.user.count()).toBe(1);
    await db.$disconnect();
    await database.drop();
    await rm(home, { recursive: true });
  });

  it("refuses a short secret", () => {
    const options = { databaseUrl: t.databaseUrl, url: t.url, localMode: false };
    const { experiments } = t.platform();
    expect(() => createPlatform({ ...options, secret: "short", experiments })).toThrow(
      /AUTH_SECRET/,
    );
  });
});

describe("an error of the server's own", () => {
  it("is told by an id that the log explains", async () => {
    await t.db.$executeRaw`ALTER TABLE metric_summary RENAME TO gone`;
    const failed = t.as("viewer").run.metricKeys.query({ projectId: t.projectId });
    const error: Error = await failed.then(
      () => new Error("it worked"),
      (e) => e,
    );
    await t.db.$executeRaw`ALTER TABLE gone RENAME TO metric_summary`;
    const id = /under ([0-9a-f]{8})$/.exec(error.message)?.[1];
    expect(error.message).not.toContain("metric_summary");
    expect(logged.some((l) => l.startsWith(`error ${id} in run.metricKeys`))).toBe(true);
  });

  it("does not follow when every connection to the database is cut", async () => {
    await t.as("viewer").run.stats.query({ projectId: t.projectId });
    await t.db.$queryRaw`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`;
    // A request may meet a connection that dies under it; those after it get new ones.
    const ask = () => t.as("viewer").run.stats.query({ projectId: t.projectId });
    await expect
      .poll(() =>
        ask().then(
          () => "answered",
          () => "failed",
        ),
      )
      .toBe("answered");
  });

  it("while the database is away is no refusal of the token", async () => {
    const away = await startTestPlatform({
      experiments: testExperiments,
      background: false,
      databaseUrl: t.databaseUrl,
    });
    const broken = Object.create(away.db, {
      $queryRaw: { value: () => Promise.reject(new Error("connection refused")) },
    });
    Object.assign(away.platform(), { db: broken });
    await expect(
      away.withToken(away.agentToken).agent.claim.mutate({ machineId: t.projectId }),
    ).rejects.toMatchObject({
      data: { code: "INTERNAL_SERVER_ERROR" },
    });
    await away.stop();
  });
});
