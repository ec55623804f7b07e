import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Coalescer, type RunEvent } from "../src/events/coalesce.ts";
import { EventHub, type HubEvent } from "../src/events/event-hub.ts";
import { appRouter } from "../src/router/app-router.ts";
import { startTestPlatform, type TestPlatform } from "../src/testing.ts";
import { createCallerFactory } from "../src/trpc.ts";
import { registration, testExperiments } from "./definitions.ts";

let t: TestPlatform;
beforeAll(async () => {
  t = await startTestPlatform({ experiments: testExperiments, background: false });
  await t.withToken(t.agentToken).agent.register.mutate(registration());
});
afterAll(() => t.stop());

const launch = async () => {
  const input = { projectId: t.projectId, kind: "test.curve", seeds: [1] };
  return (await t.as("member").run.create.mutate(input)).runs[0]?.id ?? "";
};

/** Subscribes as a user, past HTTP; the first event of a run is awaited by `until`. */
async function open(
  user = t.users.viewer,
  organizationId = t.organizationId,
  lastEventId?: string,
) {
  const stop = new AbortController();
  const caller = createCallerFactory(appRouter)(
    { platform: t.platform(), caller: { kind: "session", user } },
    { signal: stop.signal },
  );
  const stream = await caller.events.stream({ organizationId, lastEventId });
  const seen: { id: string; event: RunEvent }[] = [];
  const reading = (async () => {
    for await (const [id, event] of stream as unknown as AsyncIterable<[string, RunEvent]>) {
      seen.push({ id, event });
    }
  })();
  return {
    seen,
    of: (runId: string) => seen.filter((s) => s.event.runId === runId).map((s) => s.event),
    close: async () => {
      stop.abort();
      await reading;
    },
  };
}

describe("events.stream", () => {
  it("tells members of the organisation, and nobody else, what happens to runs", async () => {
    const own = await open();
    const foreign = await open(t.foreigner, t.foreignOrganizationId);
    const runId = await launch();
    await expect
      .poll(() => own.of(runId))
      .toMatchObject([{ projectId: t.projectId, what: ["created"], state: "QUEUED" }]);
    await t.as("member").run.cancel.mutate({ runId });
    await expect
      .poll(() => own.of(runId).at(-1))
      .toMatchObject({
        what: ["state"],
        state: "CANCELLED",
      });
    expect(foreign.seen).toEqual([]);
    await own.close();
    await foreign.close();
  });

  it("takes an id that names no moment as none", async () => {
    const stream = await open(t.users.viewer, t.organizationId, "1e300-x");
    const runId = await launch();
    await expect.poll(() => stream.of(runId)).toHaveLength(1);
    await stream.close();
  });

  it("tells everything that may have changed to a browser that comes back", async () => {
    const first = await open();
    const before = await launch();
    await expect.poll(() => first.of(before)).toHaveLength(1);
    const lastEventId = first.seen.at(-1)?.id;
    await first.close();
    const during = await launch();
    await t.as("member").run.cancel.mutate({ runId: during });
    const again = await open(t.users.viewer, t.organizationId, lastEventId);
    await expect.poll(() => again.of(during).at(-1)?.state).toBe("CANCELLED");
    expect(again.of(during)[0]?.what).toContain("metrics");
    expect(again.of(before)).toHaveLength(1);
    await again.close();
  });

  it("goes on after the connection to the database was cut, missing nothing", async () => {
    const own = await open();
    await launch();
    await expect.poll(() => own.seen.length).toBeGreaterThan(0);
    const cut = () => t.db.$queryRaw<{ pid: number }[]>`
      SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND query LIKE 'LISTEN%'`;
    expect(await cut()).toHaveLength(1);
    const runId = await launch();
    await expect.poll(() => own.of(runId), { timeout: 10_000 }).not.toEqual([]);
    await own.close();
  });

  it("comes over HTTP as server-sent events with an id", async () => {
    const input = JSON.stringify({ json: { organizationId: t.organizationId } });
    const stop = new AbortController();
    const url = `${t.url}/api/trpc/events.stream?input=${encodeURIComponent(input)}`;
    const headers = { cookie: t.users.viewer.cookie };
    const response = await fetch(url, { headers, signal: stop.signal });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader?.read())?.value ?? "";
    const runId = await launch();
    while (!text.includes(runId)) text += (await reader?.read())?.value ?? "";
    expect(text).toMatch(/id: \d+-[0-9a-f-]{36}/);
    stop.abort();
  });
});

describe("the hub", () => {
  it("starts before the database does", async () => {
    const messages: string[] = [];
    const hub = new EventHub("postgresql://nobody@127.0.0.1:1/none", (_, m) => messages.push(m));
    await hub.start();
    await hub.stop();
    expect(messages[0]).toContain("connecting again");
  });

  it("forgets who has unsubscribed", () => {
    const hub = new EventHub("postgresql://nobody@127.0.0.1:1/none", () => {});
    const got: HubEvent[] = [];
    const first = hub.subscribe("o", (e) => got.push(e));
    const second = hub.subscribe("o", (e) => got.push(e));
    first();
    first();
    second();
    expect(got).toEqual([]);
  });
});

describe("coalescing", () => {
  const notice = (what: RunEvent["what"], atMs: number, state?: RunEvent["state"]) => ({
    runId: "r",
    projectId: "p",
    what,
    state,
    atMs,
  });

  it("sends at once, then at most every 200 ms, merging what came between", () => {
    const c = new Coalescer();
    c.add(notice(["created"], 1, "QUEUED"));
    expect(c.take(0).due).toHaveLength(1);
    c.add(notice(["metrics"], 2));
    c.add(notice(["state"], 4, "RUNNING"));
    c.add(notice(["metrics", "logs"], 3));
    expect(c.take(50)).toEqual({ due: [], againInMs: 150 });
    expect(c.take(200).due).toEqual([
      {
        atMs: 4,
        event: {
          runId: "r",
          projectId: "p",
          what: ["metrics", "state", "logs"],
          state: "RUNNING",
        },
      },
    ]);
    expect(c.take(1_000)).toEqual({ due: [], againInMs: undefined });
  });

  it("never sends more than five a second for a run", () => {
    const c = new Coalescer();
    let sent = 0;
    for (let nowMs = 0; nowMs < 1_000; nowMs += 10) {
      c.add(notice(["metrics"], nowMs));
      sent += c.take(nowMs).due.length;
    }
    expect(sent).toBe(5);
  });
});
