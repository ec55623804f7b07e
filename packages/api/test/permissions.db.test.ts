import { randomUUID } from "node:crypto";
import { TRPCClientError } from "@trpc/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { appRouter } from "../src/router/app-router.ts";
import { startTestPlatform, type TestPlatform } from "../src/testing.ts";
import { registration, reproduction, testExperiments } from "./definitions.ts";

/**
 * Who may call what, written out by hand and not derived from the router: one letter a caller.
 * anonymous, foreign organisation's owner, viewer, member, admin, owner, agent token, cli token (of
 * a member). `+` allowed, `-` refused.
 */
const CALLERS = ["anonymous", "foreigner", "viewer", "member", "admin", "owner", "agent", "cli"];
type Caller = (typeof CALLERS)[number];
const TABLE: Record<string, string> = {
  //                      a f v m a o A c
  "session.me": /*      */ "+ + + + + + + +",
  "organization.create": "- + + + + + - -",
  "project.list": /*    */ "- + + + + + - +",
  "project.create": /*  */ "- - - - + + - -",
  "experiment.list": /* */ "- + + + + + - +",
  "experiment.get": /*  */ "- - + + + + - +",
  "experiment.check": /**/ "- - + + + + - +",
  "config.list": /*     */ "- - + + + + - +",
  "config.history": /*  */ "- - + + + + - +",
  "config.save": /*     */ "- - - + + + - +",
  "config.revision": /* */ "- - + + + + - +",
  "run.create": /*      */ "- - - + + + - +",
  "run.list": /*        */ "- - + + + + - +",
  "run.metricKeys": /*  */ "- - + + + + - +",
  "run.get": /*         */ "- - + + + + - +",
  "run.cancel": /*      */ "- - - + + + - +",
  "run.retry": /*       */ "- - - + + + - +",
  "run.remove": /*      */ "- - - - + + - -",
  "run.annotate": /*    */ "- - - + + + - +",
  "run.metrics": /*     */ "- - + + + + - +",
  "run.logs": /*        */ "- - + + + + - +",
  "run.series": /*      */ "- - + + + + - +",
  "run.seriesNames": /* */ "- - + + + + - +",
  "run.artifacts": /*   */ "- - + + + + - +",
  "run.stats": /*       */ "- - + + + + - +",
  "machine.list": /*    */ "- - + + + + - +",
  "machine.remove": /*  */ "- - - - + + - -",
  "token.list": /*      */ "- - - + + + - -",
  "token.create": /*    */ "- - - + + + - -",
  "token.create#agent": "- - - - + + - -",
  "token.revoke": /*    */ "- - - - + + - -",
  "member.list": /*     */ "- - + + + + - +",
  "member.add": /*      */ "- - - - + + - -",
  "member.add#owner": /**/ "- - - - - + - -",
  "member.setRole": /*  */ "- - - - + + - -",
  "member.setRole#owner": "- - - - - + - -",
  "member.remove": /*   */ "- - - - + + - -",
  "audit.list": /*      */ "- - - - + + - -",
  "events.stream": /*   */ "- - + + + + - +",
  "agent.register": /*  */ "- - - - - - + -",
  "agent.claim": /*     */ "- - - - - - + -",
  "agent.start": /*     */ "- - - - - - + -",
  "agent.renew": /*     */ "- - - - - - + -",
  "agent.report": /*    */ "- - - - - - + -",
  "agent.finish": /*    */ "- - - - - - + -",
  "sync.import": /*     */ "- - - + + + - +",
};

let t: TestPlatform;
let machineId: string;
let runId: string;
let configId: string;
let revisionId: string;
beforeAll(async () => {
  t = await startTestPlatform({ experiments: testExperiments, background: false });
  ({ machineId } = await t.withToken(t.agentToken).agent.register.mutate(registration()));
  ({ configId, revisionId } = await t.as("member").config.save.mutate({
    projectId: t.projectId,
    kind: "test.curve",
    name: "base",
    config: {},
  }));
  runId = await newRun();
});
afterAll(() => t.stop());

async function newRun(): Promise<string> {
  const input = { projectId: t.projectId, kind: "test.curve", seeds: [1] };
  const { runs } = await t.as("member").run.create.mutate(input);
  return runs[0]?.id ?? "";
}

async function endedRun(): Promise<string> {
  const id = await newRun();
  await t.as("member").run.cancel.mutate({ runId: id });
  return id;
}

/** Input with which an allowed caller succeeds; made anew for each call where it is used up. */
const INPUTS: Record<string, () => unknown> = {
  "session.me": () => undefined,
  "organization.create": () => ({ name: "New lab", projectName: "First" }),
  "project.list": () => ({}),
  "project.create": () => ({ organizationId: t.organizationId, name: randomUUID() }),
  "experiment.list": () => undefined,
  "experiment.get": () => ({ projectId: t.projectId, kind: "test.curve" }),
  "experiment.check": () => ({ projectId: t.projectId, kind: "test.curve", config: {} }),
  "config.list": () => ({ projectId: t.projectId }),
  "config.history": () => ({ configId }),
  "config.save": () => ({
    projectId: t.projectId,
    kind: "test.curve",
    name: randomUUID(),
    config: {},
  }),
  "config.revision": () => ({ revisionId }),
  "run.create": () => ({ projectId: t.projectId, kind: "test.curve", seeds: [1] }),
  "run.list": () => ({ projectId: t.projectId }),
  "run.metricKeys": () => ({ projectId: t.projectId }),
  "run.get": () => ({ runId }),
  "run.cancel": async () => ({ runId: await newRun() }),
  "run.retry": () => ({ runId }),
  "run.remove": async () => ({ runId: await endedRun() }),
  "run.annotate": () => ({ runId, note: "a note" }),
  "run.metrics": () => ({ runId }),
  "run.logs": () => ({ runId }),
  "run.series": () => ({ runId, name: "shape" }),
  "run.seriesNames": () => ({ runId }),
  "run.artifacts": () => ({ runId }),
  "run.stats": () => ({ projectId: t.projectId }),
  "machine.list": () => ({ organizationId: t.organizationId }),
  "machine.remove": () => offlineMachine(),
  "token.list": () => ({ organizationId: t.organizationId }),
  "token.create": () => ({ organizationId: t.organizationId, name: "mine", use: "cli" }),
  "token.create#agent": () => ({ organizationId: t.organizationId, name: "a", use: "agent" }),
  "token.revoke": async () => {
    await t.createToken("cli");
    const token = await t.db.apiToken.findFirstOrThrow({
      where: { organizationId: t.organizationId, userId: t.users.owner.id, use: "cli" },
      orderBy: { createdAt: "desc" },
    });
    return { organizationId: t.organizationId, tokenId: token.id };
  },
  "member.list": () => ({ organizationId: t.organizationId }),
  "member.add": async () => ({ ...(await newcomer()), role: "viewer" }),
  "member.add#owner": async () => ({ ...(await newcomer()), role: "owner" }),
  "member.setRole": async () => ({ ...(await newMember()), role: "member" }),
  "member.setRole#owner": async () => ({ ...(await newMember()), role: "owner" }),
  "member.remove": () => newMember(),
  "audit.list": () => ({ organizationId: t.organizationId }),
  "events.stream": () => ({ organizationId: t.organizationId }),
  "agent.register": () => registration(),
  "agent.claim": () => ({ machineId, waitMs: 0 }),
  "agent.start": () => ({ runId, attemptNumber: 1, reproduction }),
  "agent.renew": () => ({ machineId, attempts: [] }),
  "agent.report": () => ({ runId, attemptNumber: 1, metrics: [], logs: [], series: [] }),
  "agent.finish": () => ({
    runId,
    attemptNumber: 1,
    state: "CANCELLED",
    failure: null,
    summary: null,
    fidelity: "simulated",
    reproduction,
  }),
  "sync.import": () => ({
    projectId: t.projectId,
    summary: null,
    record: {
      format: 1,
      runId: randomUUID(),
      kind: "test.curve",
      definitionVersion: 2,
      preset: null,
      config: {},
      seed: 1,
      fidelity: "simulated",
      state: "SUCCEEDED",
      failure: null,
      startedAt: "2026-01-01T00:00:00Z",
      finishedAt: "2026-01-01T00:00:01Z",
      ...reproduction,
    },
  }),
};

/** A user who is in no organisation (made in the database: a password takes long to hash). */
async function newcomer() {
  const id = randomUUID();
  const email = `${id}@example.test`;
  await t.db.user.create({ data: { id, name: "New", email } });
  return { organizationId: t.organizationId, email };
}

async function newMember() {
  const { organizationId, email } = await newcomer();
  const { id: userId } = await t.db.user.findUniqueOrThrow({ where: { email } });
  const data = { id: randomUUID(), organizationId, userId, role: "viewer", createdAt: new Date() };
  await t.db.member.create({ data });
  return { organizationId, userId };
}

/** A machine that was seen last an hour ago. */
async function offlineMachine() {
  const { agent } = t.withToken(t.agentToken);
  const { machineId } = await agent.register.mutate(registration(randomUUID()));
  await t.db.$executeRaw`UPDATE machine SET "lastSeenAt" = clock_timestamp() - interval '1 hour'
    WHERE id = ${machineId}::uuid`;
  return { organizationId: t.organizationId, machineId };
}

function headersOf(caller: Caller): Record<string, string> {
  switch (caller) {
    case "anonymous":
      return {};
    case "foreigner":
      return { cookie: t.foreigner.cookie };
    case "agent":
      return { authorization: `Bearer ${t.agentToken}` };
    case "cli":
      return { authorization: `Bearer ${t.cliToken}` };
    default:
      return { cookie: t.users[caller as "viewer"].cookie };
  }
}

const REFUSALS = ["UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND"];

/** Calls over HTTP; `refused` only for the codes that mean a missing right. */
async function call(path: string, input: unknown, caller: Caller): Promise<string> {
  const procedure = path.replace(/#.*/, "");
  if (procedure === "events.stream") return subscribe(input, caller);
  let at: unknown = caller === "agent" ? t.withToken(t.agentToken) : clientOf(caller);
  for (const part of procedure.split(".")) at = (at as Record<string, unknown>)[part];
  const kind = typeOf(procedure) === "query" ? "query" : "mutate";
  try {
    await (at as Record<string, (input: unknown) => Promise<unknown>>)[kind]?.(input);
    return "allowed";
  } catch (error) {
    const code = error instanceof TRPCClientError ? error.data?.code : undefined;
    if (REFUSALS.includes(code)) return "refused";
    throw error;
  }
}

function clientOf(caller: Caller) {
  if (caller === "cli") return t.withToken(t.cliToken);
  if (caller === "foreigner") return t.as(t.foreigner);
  return t.as(caller === "anonymous" ? null : (caller as "viewer"));
}

async function subscribe(input: unknown, caller: Caller): Promise<string> {
  const query = encodeURIComponent(JSON.stringify({ json: input }));
  const response = await fetch(`${t.url}/api/trpc/events.stream?input=${query}`, {
    headers: { ...headersOf(caller), accept: "text/event-stream" },
  });
  const reader = response.body?.getReader();
  const first = new TextDecoder().decode((await reader?.read())?.value);
  await reader?.cancel();
  const refused = !response.ok || first.includes("serialized-error");
  return refused ? "refused" : "allowed";
}

type Procedures = Record<string, { _def: { type: string; meta?: { access?: { scope: string } } } }>;
const procedures = appRouter._def.procedures as unknown as Procedures;
const typeOf = (path: string) => procedures[path]?._def.type;

describe("every procedure", () => {
  it("has a line in this table, and states its access", () => {
    const lines = [...new Set(Object.keys(TABLE).map((path) => path.replace(/#.*/, "")))];
    expect(lines.sort()).toEqual(Object.keys(procedures).sort());
    for (const { _def } of Object.values(procedures)) expect(_def.meta?.access).toBeDefined();
  });

  it.each(Object.entries(TABLE))("%s lets in exactly %s", async (path, letters) => {
    const got: string[] = [];
    for (const caller of CALLERS) {
      const answer = await call(path, await INPUTS[path]?.(), caller);
      got.push(answer === "allowed" ? "+" : "-");
    }
    expect(got.join(" ")).toBe(letters);
  });
});

describe("a caller", () => {
  it("sees what is foreign as if it did not exist", async () => {
    const messageFor = (id: string) =>
      t
        .as(t.foreigner)
        .run.get.query({ runId: id })
        .then(
          () => "it was shown",
          (error: Error) => error.message,
        );
    const messages = [await messageFor(runId), await messageFor(randomUUID())];
    const shape = (message: string) => message.replace(/[0-9a-f-]{36}/, "ID");
    expect(shape(messages[0] ?? "")).toBe(shape(messages[1] ?? ""));
    expect(messages[0]).toContain("there is no run");
  });

  it("cannot reach one organisation's things by another's id", async () => {
    const agentOfOthers = await t.createToken("agent");
    await t.db.apiToken.updateMany({
      where: { start: agentOfOthers.slice(0, 10) },
      data: { organizationId: t.foreignOrganizationId },
    });
    const other = t.withToken(agentOfOthers);
    const empty = { runId, attemptNumber: 1, metrics: [], logs: [], series: [] };
    await expect(other.agent.report.mutate(empty)).rejects.toMatchObject({
      data: { code: "NOT_FOUND" },
    });
    await expect(other.agent.renew.mutate({ machineId, attempts: [] })).rejects.toMatchObject({
      data: { code: "NOT_FOUND" },
    });
  });

  it("is refused at once when the token is revoked or has expired", async () => {
    const secret = await t.createToken("cli");
    const client = t.withToken(secret);
    await client.project.list.query({});
    const token = await t.db.apiToken.findFirstOrThrow({ where: { start: secret.slice(0, 10) } });
    await t.db
      .$executeRaw`UPDATE api_token SET "expiresAt" = clock_timestamp() WHERE id = ${token.id}::uuid`;
    await expect(client.project.list.query({})).rejects.toThrow(/unknown, revoked or expired/);
    const other = await t.createToken("cli");
    await t.withToken(other).project.list.query({});
    const { id: tokenId } = await t.db.apiToken.findFirstOrThrow({
      where: { start: other.slice(0, 10) },
    });
    const { organizationId } = t;
    await t.as("admin").token.revoke.mutate({ organizationId, tokenId });
    await expect(t.withToken(other).project.list.query({})).rejects.toMatchObject({
      data: { code: "UNAUTHORIZED" },
    });
  });

  it("with a token sees only the token's organisation", async () => {
    const { organizationId } = t;
    const data = {
      id: randomUUID(),
      organizationId: t.foreignOrganizationId,
      userId: t.users.member.id,
      role: "owner",
      createdAt: new Date(),
    };
    await t.db.member.create({ data });
    const me = await t.withToken(t.cliToken).session.me.query();
    expect(me.organizations.map((o) => o.id)).toEqual([organizationId]);
    const there = { organizationId: t.foreignOrganizationId };
    await expect(t.withToken(t.cliToken).member.list.query(there)).rejects.toThrow(/there is no/);
    expect(await t.as("member").member.list.query(there)).toHaveLength(2);
    await t.db.member.delete({ where: { id: data.id } });
  });

  it("from a foreign page is nobody, whatever cookie comes along", async () => {
    const response = await fetch(`${t.url}/api/trpc/session.me`, {
      headers: { cookie: t.users.owner.cookie, "sec-fetch-site": "cross-site" },
    });
    expect(await response.json()).toMatchObject({ result: { data: { json: { user: null } } } });
  });
});

describe("members", () => {
  it("always keep one owner, also when two leave at once", async () => {
    const { organizationId, users } = t;
    const second = await newMember();
    await t.as("owner").member.setRole.mutate({ ...second, role: "owner" });
    // Owners that the table above has made go first.
    const owners = await t.db.member.findMany({ where: { organizationId, role: "owner" } });
    for (const { userId } of owners) {
      if (userId === users.owner.id || userId === second.userId) continue;
      await t.as("owner").member.remove.mutate({ organizationId, userId });
    }
    const leave = (userId: string) =>
      t.as("owner").member.setRole.mutate({ organizationId, userId, role: "admin" });
    const results = await Promise.allSettled([leave(users.owner.id), leave(second.userId)]);
    const left = await t.db.member.count({ where: { organizationId, role: "owner" } });
    expect(left).toBe(1);
    expect(results.filter((r) => r.status === "rejected")).toHaveLength(1);
    await t.db.member.updateMany({
      where: { organizationId, userId: users.owner.id },
      data: { role: "owner" },
    });
  });

  it("are told to sign up when their email is not known", async () => {
    const input = { organizationId: t.organizationId, email: "who@example.test", role: "viewer" };
    await expect(t.as("admin").member.add.mutate({ ...input, role: "viewer" })).rejects.toThrow(
      /sign up on this server/,
    );
  });

  it("lose every token that they made when they are removed, and others keep theirs", async () => {
    const user = await t.signUp("leaver");
    const { organizationId } = t;
    const member = { organizationId, email: user.email, role: "admin" as const };
    await t.as("owner").member.add.mutate(member);
    const secret = await t.createToken("cli", user);
    const agent = await t.createToken("agent", user);
    expect(await t.withToken(secret).project.list.query({})).not.toEqual([]);
    const renew = (token: string) =>
      t.withToken(token).agent.renew.mutate({ machineId, attempts: [] });
    await renew(agent);
    await t.as("owner").member.remove.mutate({ organizationId, userId: user.id });
    await expect(t.withToken(secret).project.list.query({})).rejects.toThrow(/revoked/);
    await expect(renew(agent)).rejects.toThrow(/revoked/);
    await renew(t.agentToken);
    const [entry] = (await t.as("owner").audit.list.query({ organizationId })).rows;
    expect(entry).toMatchObject({ action: "member.remove", before: { role: "admin", tokens: 2 } });
  });
});

describe("the audit", () => {
  it("tells who did what, newest first, a page at a time", async () => {
    const { organizationId } = t;
    const all = await t.as("admin").audit.list.query({ organizationId, limit: 200 });
    const actions = new Set(all.rows.map((r) => r.action));
    for (const action of [
      "run.create",
      "run.cancel",
      "token.revoke",
      "member.add",
      "sync.import",
    ]) {
      expect(actions).toContain(action);
    }
    expect(all.rows.find((r) => r.action === "run.annotate")?.actorName).toBeTruthy();
    const first = await t.as("admin").audit.list.query({ organizationId, limit: 3 });
    const cursor = first.nextCursor;
    const next = await t.as("admin").audit.list.query({ organizationId, limit: 3, cursor });
    const ids = [...first.rows, ...next.rows].map((r) => r.id);
    expect(ids).toEqual(all.rows.slice(0, 6).map((r) => r.id));
  });
});
