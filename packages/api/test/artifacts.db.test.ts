import { createHash, randomBytes, randomUUID } from "node:crypto";
import http from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { removeStaleUploads, storeArtifact } from "../src/artifacts/store-artifact.ts";
import type { Job } from "../src/protocol.ts";
import { startTestPlatform, type TestPlatform } from "../src/testing.ts";
import { registration, reproduction, testExperiments } from "./definitions.ts";

const MIB = 1024 * 1024;
let t: TestPlatform;
let job: Job;
beforeAll(async () => {
  t = await startTestPlatform({ experiments: testExperiments, background: false });
  const agent = t.withToken(t.agentToken).agent;
  const { machineId } = await agent.register.mutate(registration());
  const input = { projectId: t.projectId, kind: "test.curve", seeds: [1] };
  await t.as("member").run.create.mutate(input);
  job = (await agent.claim.mutate({ machineId })) as Job;
});
afterAll(() => t.stop());

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
interface Put {
  sha?: string;
  token?: string | null;
  contentType?: string;
  runId?: string;
  attempt?: number;
}
function put(name: string, body: Uint8Array | ReadableStream, options: Put = {}) {
  const sha = options.sha ?? (body instanceof Uint8Array ? sha256(body) : "0".repeat(64));
  const type = encodeURIComponent(options.contentType ?? "application/octet-stream");
  const at = `${options.runId ?? job.runId}/${options.attempt ?? 1}/${encodeURIComponent(name)}`;
  const token = options.token === undefined ? t.agentToken : options.token;
  const init: RequestInit & { duplex: "half" } = {
    method: "PUT",
    body: body as BodyInit,
    duplex: "half",
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
  };
  return fetch(`${t.url}/api/artifacts/${at}?sha256=${sha}&contentType=${type}`, init);
}
const get = (id: string, cookie = t.users.viewer.cookie) =>
  fetch(`${t.url}/api/artifacts/${id}`, { headers: { cookie } });
const rowsOf = (name: string) => t.db.artifact.count({ where: { name } });

describe("an artifact", () => {
  it.each([0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 5])(
    "of %d bytes comes back as it was",
    async (size) => {
      const bytes = randomBytes(size);
      const name = `folder/file-${size}.bin`;
      const response = await put(name, bytes, { contentType: "text/plain; charset=utf-8" });
      expect(response.status).toBe(201);
      const { id } = (await response.json()) as { id: string };
      const back = await get(id);
      expect(sha256(new Uint8Array(await back.arrayBuffer()))).toBe(sha256(bytes));
      expect(Object.fromEntries(back.headers)).toMatchObject({
        "content-type": "text/plain; charset=utf-8",
        "content-length": String(size),
        "content-disposition": `attachment; filename*=UTF-8''file-${size}.bin`,
        "x-content-type-options": "nosniff",
      });
      const again = await put(name, bytes);
      expect(again.status).toBe(200);
      expect(await again.json()).toMatchObject({ id, created: false });
      const listed = await t.as("viewer").run.artifacts.query({ runId: job.runId });
      expect(listed.find((a) => a.name === name)).toMatchObject({ sizeBytes: size, attempt: 1 });
    },
  );

  it("with a wrong hash is not kept", async () => {
    const response = await put("wrong", randomBytes(2 * MIB), { sha: "a".repeat(64) });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ failure: { code: "ARTIFACT_HASH_MISMATCH" } });
    expect(await rowsOf("wrong")).toBe(0);
  });

  it("is not replaced by another file of the same name", async () => {
    await put("same", Buffer.from("one"));
    const response = await put("same", Buffer.from("two"));
    expect(response.status).toBe(409);
    expect(((await response.json()) as { message: string }).message).toContain(
      "choose another name",
    );
  });

  it("sent by two at once is stored once", async () => {
    const bytes = randomBytes(MIB + 10);
    const both = await Promise.all([put("twice", bytes), put("twice", bytes)]);
    expect(both.map((r) => r.status).sort()).toEqual([200, 201]);
    expect(await rowsOf("twice")).toBe(1);
  });

  it("whose sender breaks off in the middle is not seen and leaves nothing", async () => {
    let sent = 0;
    const half = new ReadableStream({
      async pull(controller) {
        if (sent++ < 3) controller.enqueue(randomBytes(MIB));
        else {
          // What came before has arrived: its rows are there, but nobody sees the file.
          await expect.poll(() => rowsOf("half")).toBe(1);
          const listed = await t.as("viewer").run.artifacts.query({ runId: job.runId });
          expect(listed.map((a) => a.name)).not.toContain("half");
          controller.error(new Error("the machine was switched off"));
        }
      },
    });
    await expect(put("half", half)).rejects.toThrow();
    await expect.poll(() => rowsOf("half")).toBe(0);
    const pieces = await t.db.$queryRaw<{ n: number }[]>`SELECT count(*)::int AS n
      FROM artifact_chunk c LEFT JOIN artifact a ON a.id = c."artifactId" WHERE a.complete IS NOT TRUE`;
    expect(pieces[0]?.n).toBe(0);
  });

  it("announced as longer than 256 MiB is refused before it is sent", async () => {
    const path = `/api/artifacts/${job.runId}/1/huge?sha256=${"0".repeat(64)}`;
    const status = await new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${t.agentToken}`,
        "content-length": String(256 * MIB + 1),
        // The answer comes although the body never does.
        connection: "close",
      };
      const request = http.request(t.url + path, { method: "PUT", headers }, (response) => {
        resolve(response.statusCode);
        request.destroy();
      });
      request.on("error", reject);
      request.flushHeaders();
    });
    expect(status).toBe(413);
    expect(await rowsOf("huge")).toBe(0);
  });

  it("may be exactly as long as the limit, and not a byte longer, announced or not", async () => {
    const store = (name: string, bytes: Uint8Array) => {
      const upload = { runId: job.runId, attemptId: job.attemptId, name };
      const body = (async function* () {
        yield bytes;
      })();
      const file = { ...upload, contentType: "text/plain", sha256: sha256(bytes) };
      return storeArtifact(t.db, file, body, 2 * MIB);
    };
    await store("at limit", randomBytes(2 * MIB));
    await expect(store("over", randomBytes(2 * MIB + 1))).rejects.toThrow(/larger than 2 MiB/);
    expect(await rowsOf("over")).toBe(0);
  });

  it("is taken no faster than it is stored, so that it never lies in memory", async () => {
    let sentMib = 0;
    let leadMib = 0;
    const slowly = new ReadableStream(
      {
        async pull(controller) {
          const stored = await t.db.artifactChunk.count({ where: { artifact: { name: "long" } } });
          leadMib = Math.max(leadMib, sentMib - stored);
          if (sentMib++ < 60) controller.enqueue(new Uint8Array(MIB));
          else controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    const hash = sha256(new Uint8Array(60 * MIB));
    expect((await put("long", slowly, { sha: hash })).status).toBe(201);
    // What is under way lies in the sockets' buffers.
    expect(leadMib).toBeLessThan(16);
  });

  it("left by a server that died is cleared away after hours", async () => {
    const data = {
      runId: job.runId,
      attemptId: job.attemptId,
      name: "stale",
      contentType: "text/plain",
      sizeBytes: 0,
      sha256: "",
      uploadId: randomUUID(),
    };
    await t.db.artifact.create({ data });
    expect(await removeStaleUploads(t.db)).toBe(0);
    const createdAt = new Date(Date.now() - 7 * 3_600_000);
    await t.db.artifact.updateMany({ where: { name: "stale" }, data: { createdAt } });
    expect(await removeStaleUploads(t.db)).toBe(1);
  });
});

describe("the artifact routes", () => {
  it.each(["../up", "a/../../b", "/absolute", "back\\slash", "new\nline"])(
    "refuse the name %j",
    async (name) => {
      const response = await put(name, Buffer.from("x"));
      expect(response.status).toBe(400);
    },
  );

  it("refuse a content type that could carry a header", async () => {
    const response = await put("x", Buffer.from("x"), { contentType: "text/html\r\nx: y" });
    expect(response.status).toBe(400);
  });

  it("let nobody in without the right", async () => {
    const bytes = Buffer.from("secret");
    expect((await put("a", bytes, { token: null })).status).toBe(401);
    expect((await put("a", bytes, { token: t.cliToken })).status).toBe(403);
    expect((await put("a", bytes, { runId: randomUUID() })).status).toBe(404);
    const { id } = (await (await put("a", bytes)).json()) as { id: string };
    expect((await get(id)).status).toBe(200);
    expect((await get(id, t.foreigner.cookie)).status).toBe(404);
    expect((await get(id, "")).status).toBe(401);
    expect((await get("not-an-id")).status).toBe(404);
  });

  it("take files for an imported run from a member, and free them with the run", async () => {
    const { runId } = await t.withToken(t.cliToken).sync.import.mutate({
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
    });
    expect((await put("kept", Buffer.from("x"), { runId, token: t.cliToken })).status).toBe(201);
    await t.as("admin").run.remove.mutate({ runId });
    expect(await rowsOf("kept")).toBe(0);
  });

  it("take nothing for an attempt that is over", async () => {
    const { runId, attemptNumber } = job;
    await t.withToken(t.agentToken).agent.finish.mutate({
      runId,
      attemptNumber,
      state: "SUCCEEDED",
      failure: null,
      summary: null,
      fidelity: "simulated",
      reproduction,
    });
    expect((await put("late", Buffer.from("x"))).status).toBe(409);
  });
});
